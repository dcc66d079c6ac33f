"""What a run has to do: the documents that the output folder does not have yet; and whether it did it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from elmtex_batch.errors import ReconciliationError
from elmtex_batch.inputs import Source, documents_of, hash_sources, known_of
from elmtex_batch.keys import text_key
from elmtex_batch.reasons import Code, is_of_model
from elmtex_batch.schema import Schema
from elmtex_batch.settings import Settings
from elmtex_batch.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Plan:
    """`files` (`records.FILES`) hold `documents` (`records.MANIFEST`) many contents, of which `todo` are to be done.

    `stored` names for those with a text from an earlier run the part of `texts/` that has it; `before` are the files
    of earlier runs.
    """

    files: pa.Table
    before: pa.Table
    documents: int
    todo: pa.Table
    stored: Mapping[str, str]


def make_plan(
    sources: Sequence[Source],
    warehouse: Warehouse,
    settings: Settings,
    schema: Schema,
    model: str,
    retried: Code | None = None,
) -> Plan:
    """Reads the sources that no earlier run knows, and leaves out what is done with this schema, model and text key.

    Documents with the reason `retried` count as not done.
    """
    before = warehouse.files()
    files = hash_sources(sources, settings.pages, {} if settings.run.rehash else known_of(before))
    documents = documents_of(files)
    key = text_key(settings)
    done = pa.array(sorted(warehouse.ids_done(schema, model, key, retried)), pa.string())
    todo = documents.filter(pc.invert(pc.is_in(documents["doc_id"], value_set=done)))
    stored = {} if retried and not is_of_model(retried) else warehouse.texts_with(key)
    return Plan(files, before, len(documents), todo, stored)


def reconcile(todo: pa.Table, warehouse: Warehouse, run_id: str) -> None:
    """Every document of the run must be published exactly once: counted from the files, not from memory.

    Raises:
        ReconciliationError: one is not, or more than once.
    """
    published = warehouse.count_run(run_id)
    if set(published) != set(todo["doc_id"].to_pylist()) or any(rows != 1 for _, rows in published.values()):
        raise ReconciliationError(
            f"{len(todo)} documents went in, {len(published)} came out; start the run again to complete it"
        )
