"""A training on several processes or machines, through Ray Train."""

from pathlib import Path
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig, WorkerGroupError
from ray.train.torch import TorchConfig, TorchTrainer

from elmtex_batch.errors import ElmtexError, ModelError, SettingsError
from elmtex_batch.models import choose_compute
from elmtex_batch.training.log import open_log
from elmtex_batch.training.settings import TrainSettings, with_absolute_paths

_RETRIES = 2
"""A worker that dies takes the others along; all go on from the last checkpoint."""


def train_on_ray(settings: TrainSettings) -> Path:
    """Trains with `settings.workers` processes on the running Ray cluster, or on this machine, and returns the adapter.

    `settings.out` and the data must be reachable under the same path from all machines.

    Raises:
        SettingsError: there are more workers than passes to share in a step.
        ElmtexError: what stopped the workers; see `trainer.train`.
    """
    if settings.workers > settings.optimiser.accumulation:
        raise SettingsError("optimiser.accumulation must be at least the number of workers: they share those passes")
    gpu = choose_compute(settings.device).device.type == "cuda"
    started_here = not ray.is_initialized()
    if started_here:
        ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    trainer = TorchTrainer(
        _work,
        train_loop_config=with_absolute_paths(settings).model_dump(mode="json", by_alias=True),
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
        scaling_config=ScalingConfig(num_workers=settings.workers, use_gpu=gpu),
        run_config=RunConfig(
            name="ray",
            storage_path=str(settings.out.resolve()),
            failure_config=FailureConfig(max_failures=_RETRIES),
        ),
    )
    try:
        trainer.fit()
    except WorkerGroupError as error:
        own = [failure for failure in error.worker_failures.values() if isinstance(failure, ElmtexError)]
        raise (own or [ModelError(f"a training worker failed; the log is in {settings.out}")])[0] from error
    finally:
        if started_here:
            ray.shutdown()
    return settings.out / "adapter"


def _work(config: dict[str, Any]) -> None:
    from elmtex_batch.training.trainer import train_here

    settings = TrainSettings.model_validate(config)
    if ray.train.get_context().get_world_rank():
        train_here(settings, lambda _: None)
        return
    with open_log(settings.out) as log:
        train_here(settings, log)
