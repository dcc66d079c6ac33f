"""Commands around nightly runs: `check` and `release`."""

import argparse
from typing import Any

from elmtex_batch.arguments import add_conversion, conversion_settings


def add_check(commands: Any) -> None:
    """`check`: what `convert` would do."""
    command = commands.add_parser(
        "check",
        help="what `convert` would do with the same arguments; writes nothing, opens no document",
        description="Checks settings, tools, adapter and inputs, and looks these up in the lists of earlier runs, "
        "by path, size and time of modification.",
    )
    add_conversion(command)
    command.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    settings, out = conversion_settings(options)
    from elmtex_batch.outlook import look_ahead
    from elmtex_batch.progress import print_outlook

    print_outlook(look_ahead(settings.inputs, out, settings))
    return 0


def add_release(commands: Any) -> None:
    """`release`: a held run is published."""
    command = commands.add_parser(
        "release", help="publish a run that a quality gate holds, when somebody has looked at it"
    )
    command.add_argument("out", metavar="OUT", help="output folder or URI")
    command.add_argument("run_id", metavar="RUN_ID", help="as `convert` and `status` name it")
    command.set_defaults(run=_release)


def _release(options: argparse.Namespace) -> int:
    from elmtex_batch.runs import Runs
    from elmtex_batch.warehouse import Warehouse

    with Warehouse.open(options.out).writing():
        Runs(options.out).release(options.run_id)
    print(f"published: {options.run_id}")
    return 0
