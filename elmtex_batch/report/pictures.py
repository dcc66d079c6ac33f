"""Pictures of the pages of a document, drawn anew from its source by the contained child process."""

import hashlib
from pathlib import Path

from elmtex_batch.errors import InputMissing
from elmtex_batch.inputs import read_bytes
from elmtex_batch.pages.media import Media
from elmtex_batch.records import Row
from elmtex_batch.report.files import write
from elmtex_batch.sandbox import Sandbox

DPI = 120
"""Enough for small print, and half the pixels of a screen of twice the usual density."""

PICTURES = "pages"
"""The folder of the pictures in a report."""
Pictures = tuple[dict[int, str], str | None]
"""By the number of a page the path of its picture within the report, and if there is none at all, why not."""


def draw_pictures(row: Row, folder: Path, sandbox: Sandbox) -> Pictures:
    """Writes `pages/DOC_ID-N.webp` for each page that has a size.

    Raises:
        OutputError: the folder cannot be written.
    """
    pages = [page for page in row["pages"] or () if page["width"]]
    if not pages:
        return {}, "plain_text" if row["media_type"] == Media.TEXT else "no_pages"
    data, problem = _read(row)
    if data is None:
        return {}, problem
    found = {}
    for page in pages:
        picture = sandbox.draw(data, page["number"], page["rotation"], DPI)
        if picture:
            path = f"{PICTURES}/{row['doc_id']}-{page['number']}.webp"
            write(folder / path, picture)
            found[page["number"]] = path
    return found, None if found else "not_shown"


def _read(row: Row) -> tuple[bytes | None, str | None]:
    """The content that was converted, from the first source that still has it; else what became of it."""
    problem = "vanished"
    for source in row["sources"]:
        try:
            data = read_bytes(source)
        except (OSError, InputMissing):
            continue
        if hashlib.sha256(data).hexdigest() == row["doc_id"]:
            return data, None
        problem = "changed"
    return None, problem
