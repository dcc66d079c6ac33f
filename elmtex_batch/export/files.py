"""The current view in the formats of files; each writer returns how many documents it has written."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from elmtex_batch import records
from elmtex_batch.compaction import regroup
from elmtex_batch.current import CurrentView
from elmtex_batch.records import Row
from elmtex_batch.training import elmtex_format
from elmtex_batch.warehouse import items_of


def _write_parquet(view: CurrentView, folder: Path) -> int:
    """A folder with `documents.parquet` and `items.parquet`; `extraction` has the categories of all schemas."""
    folder.mkdir()
    count = 0
    with (
        pq.ParquetWriter(folder / "documents.parquet", view.schema, compression="zstd") as documents,
        pq.ParquetWriter(folder / "items.parquet", records.ITEMS, compression="zstd") as items,
    ):
        for rows in regroup(table.cast(view.schema) for table in view.documents()):
            documents.write_table(rows)
            items.write_table(items_of(rows))
            count += len(rows)
    return count


def _write_ndjson(view: CurrentView, path: Path) -> int:
    """A line for each value, with the columns of `items/`."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for documents in view.documents():
            file.writelines(_json(row) + "\n" for row in _plain_items(documents))
            count += len(documents)
    return count


def _write_csv(view: CurrentView, path: Path) -> int:
    """The same as CSV with a header; `boxes` is JSON."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, records.ITEMS.names, lineterminator="\n")
        table.writeheader()
        for documents in view.documents():
            table.writerows(row | {"boxes": _json(row["boxes"])} for row in _plain_items(documents))
            count += len(documents)
    return count


def _write_elmtex(view: CurrentView, path: Path) -> int:
    """A list of the records of the published ELMTEX data set; rejected documents have none."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for documents in view.documents():
            for row in documents.select(["doc_id", "text", "extraction"]).to_pylist():
                if row["extraction"] is None:
                    continue
                labels = {key: [v["value"] for v in values or ()] for key, values in row["extraction"].items()}
                record = {"doc_id": row["doc_id"], **elmtex_format.to_record(row["text"], labels)}
                file.write((",\n" if count else "\n") + _json(record))
                count += 1
        file.write("\n]\n")
    return count


WRITERS: Mapping[str, Callable[[CurrentView, Path], int]] = {
    "parquet": _write_parquet,
    "csv": _write_csv,
    "ndjson": _write_ndjson,
    "elmtex": _write_elmtex,
}


def _plain_items(documents: pa.Table) -> Iterator[Row]:
    """The values of documents, as JSON can have them."""
    for row in items_of(documents).to_pylist():
        boxes = [{side: _short(place) for side, place in box.items()} for box in row["boxes"] or ()]
        yield {**row, **{name: _short(row[name]) for name in ("ocr_confidence", "score")}, "boxes": boxes}


def _short(number: float | None) -> float | None:
    """Without the digits that a number of 32 bits gets only by being told in 64."""
    return None if number is None else float(f"{number:.7g}")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
