"""The composition: documents in, one published row per document out. What it asks of Ray: `elmtex_batch.cluster`."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import Dataset
from ray.util.metrics import Counter

from elmtex_batch import records
from elmtex_batch.advisories import check_environment
from elmtex_batch.attempts import Attempts, Guarded
from elmtex_batch.choice import choose_model
from elmtex_batch.cluster import LARGEST_BLOCK, SharedAttempts, connected, light, model_on, pages_on, this_worker
from elmtex_batch.errors import ToolMissing
from elmtex_batch.inputs import list_sources
from elmtex_batch.keys import text_key
from elmtex_batch.modelfiles import checked_base
from elmtex_batch.pages.ocr import check_tesseract
from elmtex_batch.plan import make_plan, reconcile
from elmtex_batch.reader import Reader, load_reader
from elmtex_batch.reasons import Code
from elmtex_batch.runs import Runs, recorded
from elmtex_batch.sandbox import CHILD
from elmtex_batch.schema import Schema, load_schema
from elmtex_batch.settings import RunSettings, Settings
from elmtex_batch.signals import stopped_by_signals
from elmtex_batch.stages import Extract, InTurn, LoadTexts, NormaliseText, ReadAnswers, ReadPages
from elmtex_batch.summary import Summary
from elmtex_batch.warehouse import Warehouse

_BLOCK_BYTES = 1_000_000
"""Of the files of a block, at most, if they are several: a few scans, or a hundred documents with a text layer."""
Progress = Callable[[Summary], None]


@dataclass(frozen=True, slots=True)
class Model:
    """What reads the texts: a name for the warehouse, and how an actor gets hold of it."""

    name: str
    load: Callable[[], Reader]

    @classmethod
    def from_settings(cls, settings: Settings, schema: Schema) -> "Model":
        """The configured reader, checked against the schema; its base is made ready once, before any actor asks.

        Raises:
            ModelError: adapter or base are missing, damaged, or do not fit each other or the schema.
            InputMissing: the examples of the prompt `advanced` cannot be read.
        """
        choice = choose_model(settings.model, schema)
        checked_base(choice.base)
        return cls(choice.name, partial(load_reader, settings.model, schema))


def convert(
    inputs: Sequence[str],
    out: str,
    settings: Settings,
    progress: Progress,
    model: Model | None = None,
    retried: Code | None = None,
    child: tuple[str, ...] = CHILD,
) -> Summary:
    """Converts all inputs that `out` does not have yet; `progress` is called as documents are done.

    Documents that `out` has with the reason `retried` are done again, and replace their rows. A first SIGINT or SIGTERM
    publishes what is done and raises KeyboardInterrupt, a second one ends the process at once. `child` is the command
    that reads files (see `elmtex_batch.sandbox`).

    Raises:
        ElmtexError: what stops a run; see `elmtex_batch.errors`.
    """
    begun = time.monotonic()
    check_environment()
    schema = load_schema(settings.schema_)
    sources = list_sources(inputs)
    warehouse = Warehouse.create(out)
    check_tesseract(settings.ocr)
    _check_metrics(settings.run)
    model = model or Model.from_settings(settings, schema)
    with warehouse.writing():
        plan = make_plan(sources, warehouse, settings, schema, model.name, retried)
        todo = plan.todo
        summary = Summary(_new_run_id(), len(sources), plan.documents, plan.documents - len(todo), begun)
        key = text_key(settings)
        keys = {"schema": schema.label, "model": model.name, "text_key": key, "retried": retried}
        progress(summary)
        warehouse.write_files(plan.files, plan.before, summary.run_id)
        if len(todo):
            with recorded(Runs(out), summary, settings.gates, keys):
                needed = [f"{warehouse.uri}/documents", todo["sources"][0][0].as_py()]
                with connected(settings.run, needed), stopped_by_signals():
                    attempts = SharedAttempts()
                    texts = _texts(todo, plan.stored, warehouse, settings, child, attempts)
                    flow = build(texts, settings, schema, model, summary.run_id, attempts)
                    report = partial(_report, summary, progress, _Counters())
                    _publish(flow, settings.run, warehouse.write_results, report)
                reconcile(todo, warehouse, summary.run_id)
            warehouse.drop_replaced()  # after the record: what a gate holds replaces nothing
    summary.seconds = time.monotonic() - begun
    return summary


def build(texts: Dataset, settings: Settings, schema: Schema, model: Model, run_id: str, attempts: Attempts) -> Dataset:
    """Texts in, one row per document out."""
    read = (partial(ReadAnswers, model.load), attempts, Code.MODEL_CRASHED, records.ANSWERS, this_worker)
    answers = texts.map_batches(Guarded, fn_constructor_args=read, **model_on(settings.run))
    # Without a claim to a CPU: else it would wait until all pages are read, and nothing be published before.
    return answers.map_batches(Extract(schema, model.name, run_id, text_key(settings)), **light(0))


def _texts(
    todo: pa.Table, stored: Mapping[str, str], warehouse: Warehouse, settings: Settings, child: tuple[str, ...],
    attempts: Attempts,
) -> Dataset:  # fmt: skip
    """Documents in, their texts out: those that were published before from there, all others from their files."""
    part = pa.array([stored.get(doc_id) for doc_id in todo["doc_id"].to_pylist()], pa.string())
    known = pc.is_valid(part)
    flows = []
    if fresh := _blocks(todo.filter(pc.invert(known))):
        read = ReadPages(settings.pages, settings.ocr, child), NormaliseText(settings.text.max_characters)
        guarded = Guarded(partial(InTurn, read), attempts, Code.READER_CRASHED, records.TEXTS, this_worker)
        flows.append(ray.data.from_arrow(fresh).map_batches(guarded, **pages_on(settings.run)))
    if again := _by_part(todo.append_column("part", part).filter(known)):
        flows.append(ray.data.from_arrow(again).map_batches(LoadTexts(warehouse), **light(1)))
    return flows[0].union(flows[1]) if len(flows) > 1 else flows[0]


def _by_part(documents: pa.Table) -> list[pa.Table]:
    """A block for each row group of `texts/`, so that it is read once."""
    parts = sorted(set(documents["part"].to_pylist()))
    return [documents.filter(pc.equal(documents["part"], part)).combine_chunks() for part in parts]


def _blocks(todo: pa.Table) -> list[pa.Table]:
    """Small enough that every core gets work early, large enough that Ray's share of a small document is small."""
    most = max(1, min(LARGEST_BLOCK, len(todo) // 64))
    ends, size = [0], 0
    for number, more in enumerate(todo["size"].to_pylist()):
        if number - ends[-1] == most or (size + more > _BLOCK_BYTES and number > ends[-1]):
            ends.append(number)
            size = 0
        size += more
    bounds = pairwise([*ends, len(todo)]) if len(todo) else ()
    return [todo.slice(begin, end - begin).combine_chunks() for begin, end in bounds]


def _publish(
    flow: Dataset, run: RunSettings, write: Callable[[pa.Table], Any], done: Callable[[pa.Table], None]
) -> None:
    """Writes finished documents in portions: large ones, or what is there after a while."""
    waiting: list[pa.Table] = []
    since = time.monotonic()

    def flush() -> None:
        if waiting:
            write(pa.concat_tables(waiting))
            waiting.clear()

    try:
        for block in flow.iter_batches(batch_size=None, batch_format="pyarrow"):
            waiting.append(block)
            done(block)
            if sum(map(len, waiting)) >= run.part_documents or time.monotonic() - since > run.part_seconds:
                flush()
                since = time.monotonic()
    finally:
        flush()  # also when the run is interrupted, or fails: what is done is done


def _report(summary: Summary, progress: Progress, counters: "_Counters", results: pa.Table) -> None:
    summary.add(results)
    counters.show(summary)
    progress(summary)


def _check_metrics(run: RunSettings) -> None:
    if run.metrics_port and not find_spec("prometheus_client"):
        raise ToolMissing("run.metrics_port needs packages that are missing; try: pip install 'elmtex-batch[cluster]'")


class _Counters:
    """A run's figures as counters in Ray's metrics, where Prometheus finds them."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter] = {}
        self._shown: dict[tuple[str, ...], float] = {}

    def show(self, summary: Summary) -> None:
        for name, labels, figure in summary.figures():
            if name not in self._counters:
                self._counters[name] = Counter(f"elmtex_{name}", tag_keys=tuple(labels))
            key = (name, *labels.values())
            if more := figure - self._shown.get(key, 0):
                self._counters[name].inc(more, labels)
                self._shown[key] = figure


def _new_run_id() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
