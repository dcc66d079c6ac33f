"""`elmtex-batch report` on the command line."""

import argparse
from pathlib import Path
from typing import Any

from elmtex_batch.errors import InputMissing, SettingsError

SAMPLE = 25
"""Documents that a report shows if nobody says which."""


def add_report(commands: Any) -> None:
    """The command and its options."""
    command = commands.add_parser(
        "report",
        help="pages to look at: figures, documents, and where on the page each value stands",
        description="Writes a folder of HTML pages that open from disk: figures of all documents of OUT, and for a "
        "sample of them page images and texts with every value marked. It shows patient data: keep it where the "
        "reports themselves may be kept.",
    )
    command.add_argument("out", metavar="OUT", help="output folder or URI of a conversion")
    command.add_argument("--to", type=Path, metavar="FOLDER", help="where to write it (default: OUT/report)")
    which = command.add_mutually_exclusive_group()
    which.add_argument(
        "--sample",
        type=int,
        default=SAMPLE,
        metavar="N",
        help=f"show a random sample, always the same (default: {SAMPLE})",
    )
    which.add_argument(
        "--documents", nargs="+", metavar="NAME", help="show these: doc_id, source, file name, or @FILE with one a line"
    )
    which.add_argument("--all", action="store_true", help="show every document")
    command.add_argument("--schema", help="category schema, a name or a .toml file (default: that of the last run)")
    command.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    from elmtex_batch.progress import live_counts
    from elmtex_batch.report.report import INDEX, Choice, make_report

    if options.sample < 0:
        raise SettingsError("--sample must be 0 (figures only) or more")
    if options.to is None and "://" in options.out:
        raise SettingsError("the report is written to a local folder: name one with --to")
    folder = (options.to or Path(options.out) / "report").absolute()
    choice = Choice(None if options.all else options.sample, _spelled_out(options.documents or ()))
    with live_counts("reporting") as show:
        made = make_report(options.out, folder, choice, options.schema, show)
    print(f"{folder / INDEX} shows {made.shown} of {made.documents} documents.")
    if made.shown:
        print("It holds texts and page images of patients: keep the folder where the reports themselves may be kept.")
    return 0


def _spelled_out(names: list[str] | tuple[()]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        found += _lines(Path(name[1:])) if name.startswith("@") else [name]
    return tuple(found)


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise InputMissing(f"cannot read the list of documents: {error.strerror}") from None
    except ValueError:
        raise InputMissing("the list of documents is not a text file") from None
