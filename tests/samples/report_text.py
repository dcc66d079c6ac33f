"""The small markup the sample reports are written in, see `parse`."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby, zip_longest
from textwrap import fill


class Kind(StrEnum):
    """What a block of a report is."""

    TITLE = "title"
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    TABLE = "table"
    GAP = "gap"
    COLUMNS = "columns"


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a report; `rows` is set for tables, `text` for everything else."""

    kind: Kind
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A report and what its stationery repeats; `{page}` and `{pages}` in header and footer are filled in later."""

    blocks: tuple[Block, ...]
    letterhead: tuple[str, ...] = ()
    header: str = ""
    footer: str = ""


def parse(source: str) -> list[Report]:
    """Reports from marked-up text; a line `---` starts a new sheet, which is typeset on its own.

    Leading `letterhead:`, `header:` and `footer:` lines describe the stationery. In the body one line is one
    paragraph, `# ` a title, `## ` a heading, `| a | b |` a row of a table (its first row is the table's head), an empty
    line a gap, and `===` begins the part that is set in columns.
    """
    stationery, body = _split_stationery(source.strip().splitlines())
    letterhead = tuple(value for key, value in stationery if key == "letterhead")
    named = dict(stationery)
    sheets = "\n".join(body).strip().split("\n---\n")
    return [
        Report(_blocks(sheet), letterhead if number == 0 else (), named.get("header", ""), named.get("footer", ""))
        for number, sheet in enumerate(sheets)
    ]


def plain(report: Report, width: int = 0) -> str:
    """The report as a plain text file would hold it, wrapped at `width` characters if that is not 0."""
    parts = [*report.letterhead, ""] if report.letterhead else []
    for block in report.blocks:
        if block.kind is Kind.TABLE:
            parts += _aligned(block.rows)
        elif block.kind is not Kind.COLUMNS:
            parts.append(fill(block.text, width) if width else block.text)
    return "\n".join(parts) + "\n"


def _split_stationery(lines: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    keys = ("letterhead: ", "header: ", "footer: ")
    count = next((number for number, line in enumerate(lines) if not line.startswith(keys)), len(lines))
    pairs = [line.split(": ", 1) for line in lines[:count]]
    return [(key, value) for key, value in pairs], lines[count:]


def _blocks(body: str) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for is_row, group in groupby(body.strip().splitlines(), key=lambda line: line.startswith("|")):
        lines = list(group)
        blocks += [Block(Kind.TABLE, rows=tuple(map(_cells, lines)))] if is_row else map(_block, lines)
    return tuple(blocks)


def _block(line: str) -> Block:
    for mark, kind in (("## ", Kind.HEADING), ("# ", Kind.TITLE)):
        if line.startswith(mark):
            return Block(kind, line.removeprefix(mark))
    if line == "===":
        return Block(Kind.COLUMNS)
    return Block(Kind.PARAGRAPH if line else Kind.GAP, line)


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def _aligned(rows: tuple[tuple[str, ...], ...]) -> list[str]:
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]
