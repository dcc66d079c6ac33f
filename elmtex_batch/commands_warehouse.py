"""The commands that look after an output folder and feed other systems from it: `compact` and `export`."""

import argparse
from typing import Any

_MB = 1 << 20


def add_compact(commands: Any) -> None:
    """`elmtex-batch compact OUT`."""
    command = commands.add_parser(
        "compact",
        help="many small files of an output folder into few large ones",
        description="Merges small Parquet files of the same category schema. No run may be writing meanwhile. Stopped "
        "at any moment, it loses nothing; start it again, or just go on converting.",
    )
    command.add_argument("out", metavar="OUT", help="output folder or URI")
    command.add_argument("--target-mb", type=_positive, default=128, help="wanted size of a file (default: 128)")
    command.set_defaults(run=_compact)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _compact(options: argparse.Namespace) -> int:
    from elmtex_batch.warehouse import Warehouse

    for table, (before, after) in Warehouse.open(options.out).compact(options.target_mb * _MB).items():
        print(f"{table:10} {before:6} -> {after} files")
    return 0
