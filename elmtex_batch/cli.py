"""The command line: `elmtex-batch convert | train | schema`. Each kind of failure has its exit code."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elmtex_batch import __version__
from elmtex_batch.errors import ElmtexError

_INTERRUPTED = 130

_EXIT_CODES = """\
exit codes:
  0  done; rejected documents are rows, not failures
  1  unforeseen error         2  wrong setting or usage    3  missing tool
  4  missing input            5  model or adapter          6  output not writable
  7  published rows do not account for every input         130  interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code."""
    options = _parser().parse_args(arguments)
    _show_own_log()
    try:
        code: int = options.run(options)
    except ElmtexError as error:
        print(f"elmtex-batch: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("elmtex-batch: interrupted; start it again to go on", file=sys.stderr)
        return _INTERRUPTED
    return code


def _show_own_log() -> None:
    """What this package has to say goes to standard error; other packages keep their own ways."""
    log = logging.getLogger("elmtex_batch")
    log.setLevel(logging.INFO)
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.StreamHandler())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="elmtex-batch",
        description="Clinical reports (PDF, scans, text) to Parquet with structured, grounded information.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_convert(commands)
    _add_train(commands)
    _add_schema(commands)
    return parser


def _add_convert(commands: Any) -> None:
    command = commands.add_parser("convert", help="documents to Parquet")
    command.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="file, folder, glob, URI, or @FILE with one of these a line"
    )
    command.add_argument("--out", required=True, help="output folder or URI")
    command.add_argument("--config", type=Path, help="TOML file with settings")
    command.add_argument("--schema", help="category schema: a name, or a .toml file")
    command.add_argument("--adapter", help="adapter folder, instead of the bundled one")
    command.add_argument("--base", help="base model: embedded name, folder or hub id")
    command.add_argument("--ray-address", help="Ray cluster to run on, instead of this machine")
    command.set_defaults(run=_convert)


def _convert(options: argparse.Namespace) -> int:
    from elmtex_batch.settings import load_settings

    named = {
        "schema": options.schema,
        "model.adapter": options.adapter,
        "model.base": options.base,
        "run.ray_address": options.ray_address,
    }
    settings = load_settings(options.config, {name: value for name, value in named.items() if value is not None})
    from elmtex_batch.pipeline import convert
    from elmtex_batch.progress import live_progress, print_summary

    with live_progress() as progress:
        summary = convert(options.inputs, options.out, settings, progress)
    print_summary(summary)
    return 0


def _add_train(commands: Any) -> None:
    command = commands.add_parser("train", help="fine-tune an adapter on annotated reports")
    command.add_argument("--name", required=True, help="name of the adapter, as the warehouse will record it")
    command.add_argument("--data", required=True, type=Path, help="annotated reports, JSON lines")
    command.add_argument("--out", required=True, type=Path, help="folder for checkpoints, log and adapter")
    command.add_argument("--dev", type=Path, help="annotated reports to score after each epoch")
    command.add_argument("--config", type=Path, help="TOML file with further settings of the training")
    command.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> int:
    from elmtex_batch.training.settings import load_train_settings

    named = {name: getattr(options, name) for name in ("name", "data", "out", "dev")}
    settings = load_train_settings(options.config, {name: value for name, value in named.items() if value is not None})
    from elmtex_batch.training.log import open_log
    from elmtex_batch.training.trainer import train

    with open_log(settings.out) as log:
        folder = train(settings, log)
    print(f"adapter: {folder}")
    return 0


def _add_schema(commands: Any) -> None:
    command = commands.add_parser("schema", help="print the JSON Schema of an extraction")
    command.add_argument("name", nargs="?", default="elmtex", help="category schema: a name, or a .toml file")
    command.set_defaults(run=_schema)


def _schema(options: argparse.Namespace) -> int:
    from elmtex_batch.schema import load_schema

    print(json.dumps(load_schema(options.name).json_schema(), indent=2, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
