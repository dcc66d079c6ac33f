"""The documents as they count now: after a newer model, and without what a quality gate has held back."""

from collections.abc import Iterator

import pyarrow as pa

from elmtex_batch import versions
from elmtex_batch.errors import InputMissing
from elmtex_batch.tables import Footer, Tables
from elmtex_batch.warehouse import DOCUMENTS

_KEY = ["doc_id", "schema"]


class CurrentView:
    """Of each document and category schema the row of the last run that was not held, whichever model it used."""

    def __init__(self, uri: str, schema: str | None = None) -> None:
        """Looks at an output folder; `schema`: at documents of this category schema only ("elmtex/1").

        Raises:
            InputMissing: there are no documents, or none of this schema.
        """
        self._tables = Tables(uri)
        footers = list(self._tables.footers(DOCUMENTS))
        self._parts = [footer for footer in footers if schema in (None, _label(footer))]
        if not self._parts:
            there = ", ".join(sorted({_label(footer) for footer in footers})) or "none"
            raise InputMissing(f"there are no documents of the schema asked for; schemas that are there: {there}")

    @property
    def schema(self) -> pa.Schema:
        """The columns of all documents: where their category schemas differ, `extraction` has the categories of all.

        Any table of `documents` can be cast to it.
        """
        return pa.unify_schemas(
            [footer.schema.remove_metadata() for footer in self._parts], promote_options="permissive"
        )

    def documents(self) -> Iterator[pa.Table]:
        """The rows, some hundred at a time, with the columns of `documents/`."""
        held = versions.held_runs(self._tables)
        lost = versions.outdated(self._tables.scan(DOCUMENTS, [*_KEY, "run_id"]), _KEY, held)
        for footer in self._parts:
            if len(lost.get(footer.part, ())) < footer.rows:
                yield from self._tables.read_without(DOCUMENTS, footer.part, lost.get(footer.part, ()))


def _label(footer: Footer) -> str:
    """Name and version of the category schema of a part."""
    return str((footer.schema.metadata or {})[b"elmtex.schema"].decode())
