"""The composition: documents in, one published row per document out. The only module that knows Ray."""

import logging
import os
import re
import secrets
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset
from ray.exceptions import RayError
from ray.util.annotations import RayDeprecationWarning
from ray.util.metrics import Counter

from elmtex_batch import errors
from elmtex_batch.advisories import check_environment
from elmtex_batch.choice import choose_model
from elmtex_batch.errors import ElmtexError, RunFailed, ToolMissing
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
from elmtex_batch.stages import Extract, LoadTexts, NormaliseText, ReadAnswers, ReadPages
from elmtex_batch.summary import Summary
from elmtex_batch.warehouse import Warehouse

_BLOCK_DOCUMENTS, _BLOCK_BYTES = 64, 1_000_000
"""What Ray hands to a worker at a time, at most: a task costs it 10 ms or more, whatever is in it. A megabyte is a few
scans, or a hundred documents with a text layer: seconds of work."""
_LONGEST_TEMP = 30
"""Characters of a temporary folder's path that leave room for those of Ray's sockets, which may have 107."""

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
                with _ray(settings.run), stopped_by_signals():
                    texts = _texts(todo, plan.stored, warehouse, settings, child)
                    flow = build(texts, settings, schema, model, summary.run_id)
                    report = partial(_report, summary, progress, _Counters())
                    _publish(flow, settings.run, warehouse.write_results, report)
                reconcile(todo, warehouse, summary.run_id)
            warehouse.drop_replaced()  # after the record: what a gate holds replaces nothing
    summary.seconds = time.monotonic() - begun
    return summary


def build(texts: Dataset, settings: Settings, schema: Schema, model: Model, run_id: str) -> Dataset:
    """Texts in, one row per document out."""
    answers = texts.map_batches(ReadAnswers, fn_constructor_args=(model.load,), **_actors(settings.run))
    # Without a claim to a CPU: else it would wait until all pages are read, and nothing be published before.
    return answers.map_batches(Extract(schema, model.name, run_id, text_key(settings)), **_cpu() | {"num_cpus": 0})


def _texts(
    todo: pa.Table, stored: Mapping[str, str], warehouse: Warehouse, settings: Settings, child: tuple[str, ...]
) -> Dataset:
    """Documents in, their texts out: those that were published before from there, all others from their files."""
    part = pa.array([stored.get(doc_id) for doc_id in todo["doc_id"].to_pylist()], pa.string())
    known = pc.is_valid(part)
    flows = []
    if fresh := _blocks(todo.filter(pc.invert(known))):
        pages = ray.data.from_arrow(fresh).map_batches(ReadPages(settings.pages, settings.ocr, child), **_cpu())
        flows.append(pages.map_batches(NormaliseText(settings.text.max_characters), **_cpu()))
    if again := _by_part(todo.append_column("part", part).filter(known)):
        flows.append(ray.data.from_arrow(again).map_batches(LoadTexts(warehouse), **_cpu()))
    return flows[0].union(flows[1]) if len(flows) > 1 else flows[0]


def _by_part(documents: pa.Table) -> list[pa.Table]:
    """A block for each row group of `texts/`, so that it is read once."""
    parts = sorted(set(documents["part"].to_pylist()))
    return [documents.filter(pc.equal(documents["part"], part)).combine_chunks() for part in parts]


def _cpu() -> dict[str, Any]:
    return {"batch_format": "pyarrow", "batch_size": None, "num_cpus": 1, "max_retries": 2}


def _actors(run: RunSettings) -> dict[str, Any]:
    gpus = min(1, ray.cluster_resources().get("GPU", 0))  # type: ignore[no-untyped-call]
    return {
        "batch_format": "pyarrow",
        "batch_size": run.batch_documents,
        "compute": ActorPoolStrategy(size=run.model_actors),
        "num_cpus": run.model_cpus,
        "num_gpus": gpus,
        "max_restarts": 2,
        "max_task_retries": 2,
    }


def _blocks(todo: pa.Table) -> list[pa.Table]:
    """Small enough that every core gets work early, large enough that Ray's share of a small document is small."""
    most = max(1, min(_BLOCK_DOCUMENTS, len(todo) // 64))
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


@contextmanager
def _ray(run: RunSettings) -> Iterator[None]:
    """An embedded Ray that is gone afterwards, or a connection to a cluster."""
    cleanup = ExitStack()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it warns of every actor that may be started again
    logging.getLogger("ray").setLevel(logging.ERROR)
    # Finite retries can be set in no other way than the one that Ray 2.64 will take away (see pyproject.toml).
    warnings.filterwarnings("ignore", category=RayDeprecationWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ray\.data\.context")
    common: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if run.ray_address:
        ray.init(address=run.ray_address, **common)
    else:
        # The model holds its CPUs for the whole run, and waits for pages as a rule: they get all cores beside it.
        cpus = _cores() + run.model_actors * run.model_cpus
        # Ray's logs are readable by everyone who may enter the folder they lie in: nobody else may enter this one.
        place = None if len(gettempdir()) <= _LONGEST_TEMP else "/tmp"  # noqa: S108
        folder = cleanup.enter_context(TemporaryDirectory(prefix="elmtex-", dir=place, ignore_cleanup_errors=True))
        common |= {"_metrics_export_port": run.metrics_port} if run.metrics_port else {}
        # "local", as a cluster that RAY_ADDRESS names is not what was asked for.
        ray.init("local", num_cpus=cpus, include_dashboard=False, _temp_dir=folder, **common)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is told once, by `_told`
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = 0
    try:
        yield
    except RayError as error:
        raise _told(error) from None
    finally:
        ray.shutdown()
        cleanup.close()


def _cores() -> int:
    """Those that this process may use: fewer than the machine has in many a container."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _told(error: RayError) -> ElmtexError:
    """What stopped a worker, if that is ours to say. Any other message may hold what a library said of a document."""
    # Ray keeps of a worker's error its text alone; messages of our own errors name a remedy and quote nothing.
    if own := re.search(r"^elmtex_batch\.errors\.(\w+): (.+)$", str(error), re.MULTILINE):
        kind: type[ElmtexError] = getattr(errors, own[1])
        return kind(own[2])
    return RunFailed(f"the run failed in Ray ({type(error).__name__}); start it again to go on")


def _new_run_id() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
