"""Prints what a conversion brought: `python jobs/show.py OUT`. Shows patient data; meant for the samples."""

import argparse
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

COLUMNS = {
    "file": 30,
    "status": 9,
    "language": 8,
    "age": 5,
    "gender": 6,
    "values": 6,
    "surest diagnosis, or reasons": 40,
}
"""Each with its least width in characters."""


def main() -> None:
    """One line for each document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    table = Table()
    for column, width in COLUMNS.items():
        table.add_column(column, no_wrap=True, min_width=width, max_width=60)
    documents = pa.concat_tables(
        pq.read_table(p) for p in sorted((parser.parse_args().out / "documents").glob("*.parquet"))
    )
    for row in sorted(documents.to_pylist(), key=lambda row: row["sources"]):
        table.add_row(Path(row["sources"][0]).name, *describe(row))
    # Nothing is lost in a log file for want of a terminal's width.
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def describe(row: dict) -> tuple[str, ...]:  # type: ignore[type-arg]
    """The cells of one document's line behind its name."""
    extraction = row["extraction"] or {}
    diagnoses = sorted(extraction.get("diagnosis", ()), key=lambda value: -value["score"])
    told = diagnoses[0]["value"] if diagnoses else ", ".join(reason["code"] for reason in row["reasons"])
    age = "" if row["age_years"] is None else f"{row['age_years']:g}"
    count = sum(map(len, extraction.values()))
    return row["status"], row["language"] or "", age, row["gender_code"] or "", str(count), told


if __name__ == "__main__":
    main()
