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


def add_export(commands: Any) -> None:
    """`elmtex-batch export OUT --to TARGET`."""
    command = commands.add_parser(
        "export",
        help="what an output folder holds, for other systems",
        description="Writes of each document and category schema the row of the last run that no quality gate held. "
        "No run may be writing meanwhile. The target appears whole or not at all.",
    )
    command.add_argument("out", metavar="OUT", help="output folder or URI")
    command.add_argument("--to", required=True, metavar="TARGET", help="file or folder to make, or its URI")
    command.add_argument(
        "--format",
        choices=("parquet", "csv", "ndjson", "elmtex", "delta"),
        default="parquet",
        help="a folder with documents.parquet and items.parquet (default); the values as CSV or as JSON lines; records "
        "of the ELMTEX data set; or Delta Lake tables, to which only what is new is appended",
    )
    command.add_argument("--schema", metavar="NAME/VERSION", help="only documents of this category schema")
    command.set_defaults(run=_export)


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


def _export(options: argparse.Namespace) -> int:
    from elmtex_batch.export import export

    print(f"{export(options.out, options.to, options.format, options.schema)} documents")
    return 0
