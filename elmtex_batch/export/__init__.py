"""The documents as they count now, for other systems."""

from elmtex_batch.current import CurrentView
from elmtex_batch.export.delta import append
from elmtex_batch.export.files import WRITERS
from elmtex_batch.export.staging import staged
from elmtex_batch.places import check_place
from elmtex_batch.warehouse import Warehouse

FORMATS = (*WRITERS, "delta")


def export(out: str, target: str, form: str, schema: str | None = None) -> int:
    """Writes the current view of an output folder to `target`, which appears as a whole or not at all.

    `form` is one of `FORMATS`; `delta` appends what `target` does not have yet. `schema`: documents of this category
    schema only ("elmtex/1"). Keeps runs out meanwhile: what a run publishes is not current before it has ended.

    Returns:
        How many documents were written.

    Raises:
        InputMissing: there is no such output folder, or it has no documents.
        SettingsError: the URI of `target` has options or a password.
        OutputError: a run is writing, or `target` cannot be written.
        ToolMissing: `delta` without the package deltalake.
    """
    check_place(target)
    with Warehouse.open(out).writing():
        view = CurrentView(out, schema)
        if form == "delta":
            return append(view, target)
        with staged(target) as place:
            return WRITERS[form](view, place)
