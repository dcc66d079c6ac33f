"""Ray: an embedded one or a running cluster, and what a stage asks of it."""

import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayError
from ray.util.annotations import RayDeprecationWarning
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from elmtex_batch import __version__, errors
from elmtex_batch.attempts import Attempts
from elmtex_batch.errors import ElmtexError, RunFailed, SettingsError
from elmtex_batch.places import is_local
from elmtex_batch.settings import RunSettings

LARGEST_BLOCK = 64
"""Documents that Ray hands to a worker at a time, at most: a task costs it 10 ms or more, whatever is in it."""
_LONGEST_TEMP = 30
"""Characters of a temporary folder's path that leave room for those of Ray's sockets, which may have 107."""

_SPARE_WORKERS = 12
"""Processes beside those that hold CPUs (Ray's own actors, stages without a claim), so that Ray keeps idle ones.

Without room for them it ends a worker, and with it the child that reads files, once it has idled for a second, and
starts another for the next task: 300 small documents then took 71 s on one core, instead of 18.
"""


@contextmanager
def connected(run: RunSettings, files: Sequence[str]) -> Iterator[None]:
    """A Ray that sees the folders of `files` from all its nodes.

    The one that this process is connected to already, which stays as it is (`run.ray_address` and `run.metrics_port`
    have no say in it); else the cluster of `run.ray_address`; else an embedded one that is gone afterwards.

    Raises:
        SettingsError: there is no such cluster, or one of its nodes cannot do the work.
        RunFailed: Ray failed while it was in use.
    """
    cleanup = ExitStack()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it warns of every actor that may be started again
    logging.getLogger("ray").setLevel(logging.ERROR)
    # Finite retries can be set in no other way than the one that Ray 2.64 will take away (see pyproject.toml).
    warnings.filterwarnings("ignore", category=RayDeprecationWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ray\.data\.context")
    try:
        if ray.is_initialized():
            _check_nodes(files)
        elif run.ray_address:
            cleanup.callback(ray.shutdown)
            _join(run.ray_address)
            _check_nodes(files)
        else:
            _start(run, cleanup)
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is told once, by `_told`
        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = 0
        yield
    except RayError as error:
        raise _told(error) from None
    finally:
        cleanup.close()


def _start(run: RunSettings, cleanup: ExitStack) -> None:
    # The model holds its CPUs for the whole run, and waits for pages as a rule: they get all cores beside it.
    cpus = _cores() + run.most_actors * run.model_cpus
    # Ray's logs are readable by everyone who may enter the folder they lie in: nobody else may enter this one.
    place = None if len(gettempdir()) <= _LONGEST_TEMP else "/tmp"  # noqa: S108
    folder = cleanup.enter_context(TemporaryDirectory(prefix="elmtex-", dir=place, ignore_cleanup_errors=True))
    cleanup.callback(ray.shutdown)
    own = {**run.page_resources, **run.model_resources}
    resources = {name: amount * cpus for name, amount in own.items()}
    metrics: dict[str, Any] = {"_metrics_export_port": run.metrics_port} if run.metrics_port else {}
    # "local", as a cluster that RAY_ADDRESS names is not what was asked for.
    ray.init(
        "local", num_cpus=cpus, resources=resources, include_dashboard=False, _temp_dir=folder,
        logging_level=logging.ERROR, log_to_driver=False,
        _system_config={"num_workers_soft_limit": round(cpus) + _SPARE_WORKERS}, **metrics,
    )  # fmt: skip


def _cores() -> int:
    """Those that this process may use: fewer than the machine has in many a container."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _join(address: str) -> None:
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError):
        raise SettingsError("run.ray_address: no Ray cluster answers there, or it is of another version") from None


def _check_nodes(files: Sequence[str]) -> None:
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    local = [file for file in files if is_local(file)]
    look = ray.remote(_look)
    for version, seen in _answers([look.options(**_at(node)).remote(local) for node in nodes]):
        if version != __version__:
            raise SettingsError(f"run.ray_address: a node has elmtex-batch {version}, this machine {__version__}")
        if not seen:
            raise SettingsError(
                "run.ray_address: a node does not see the inputs or the output folder; name them by URIs (s3://...),"
                " or by a folder that all nodes mount"
            )


def _at(node: str) -> dict[str, Any]:
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}


def _answers(answers: list[Any]) -> list[tuple[str, bool]]:
    try:
        found: list[tuple[str, bool]] = ray.get(answers)
    except RayError:
        raise SettingsError(
            "run.ray_address: a node cannot run elmtex-batch; install it in the nodes' image, or submit the job with it"
        ) from None
    return found


def _look(files: Sequence[str]) -> tuple[str, bool]:
    return __version__, all(Path(file.removeprefix("file://")).parent.is_dir() for file in files)


def light(cpus: int) -> dict[str, Any]:
    """What `map_batches` is told of stages that cannot harm their process."""
    return {"batch_format": "pyarrow", "batch_size": None, "num_cpus": cpus, "max_retries": 2}


def pages_on(run: RunSettings) -> dict[str, Any]:
    """What `map_batches` is told of the stages that read pages."""
    # Each document of a block may end its worker, once among the others and once alone; and some nodes go away.
    return light(1) | {"resources": dict(run.page_resources), "max_retries": LARGEST_BLOCK + 4}


def model_on(run: RunSettings) -> dict[str, Any]:
    """What `map_batches` is told of the stage that holds the model."""
    any_gpu = ray.cluster_resources().get("GPU", 0) > 0  # type: ignore[no-untyped-call]
    least, most = run.least_actors, run.most_actors
    return {
        "batch_format": "pyarrow",
        "batch_size": run.batch_documents,
        "compute": ActorPoolStrategy(min_size=least, max_size=most),
        "num_cpus": run.model_cpus,
        "num_gpus": int(any_gpu) if run.model_gpus is None else run.model_gpus,
        "resources": dict(run.model_resources),
        # Without end, because `Guarded` ends it: with a document that is given up, or a worker that never gets ready.
        "max_restarts": -1,
        "max_task_retries": -1,
    }


class SharedAttempts(Attempts):
    """An account that all workers of a run keep together, on the driver's node."""

    def __init__(self) -> None:
        here = ray.get_runtime_context().get_node_id()
        self._actor: Any = ray.remote(Attempts).options(**_at(here)).remote()

    def start(self, worker: str) -> int:
        """See `Attempts`."""
        return int(ray.get(self._actor.start.remote(worker)))

    def failed(self, stage: str, doc_ids: Sequence[str]) -> list[int]:
        """See `Attempts`."""
        return list(ray.get(self._actor.failed.remote(stage, doc_ids)))

    def begin(self, stage: str, doc_ids: Sequence[str], worker: str) -> None:
        """See `Attempts`."""
        ray.get(self._actor.begin.remote(stage, doc_ids, worker))

    def end(self, stage: str, doc_ids: Sequence[str]) -> None:
        """See `Attempts`."""
        ray.get(self._actor.end.remote(stage, doc_ids))


def this_worker() -> str:
    """The same for an actor that Ray has started again."""
    return ray.get_runtime_context().get_actor_id() or ""


def _told(error: RayError) -> ElmtexError:
    """What stopped a worker, if that is ours to say. Any other message may hold what a library said of a document."""
    # Ray keeps of a worker's error its text alone; messages of our own errors name a remedy and quote nothing.
    if own := re.search(r"^elmtex_batch\.errors\.(\w+): (.+)$", str(error), re.MULTILINE):
        kind: type[ElmtexError] = getattr(errors, own[1])
        return kind(own[2])
    return RunFailed(f"the run failed in Ray ({type(error).__name__}); start it again to go on")
