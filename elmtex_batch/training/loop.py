"""The training loop: plain torch, resumable at any step to the same result, the same for one process and for many."""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from peft.helpers import disable_input_dtype_casting
from torch import Tensor, nn

from elmtex_batch.errors import SettingsError
from elmtex_batch.models import Compute
from elmtex_batch.training.batches import Batch, Example, epoch_batches, groups
from elmtex_batch.training.settings import OptimiserSettings, TrainSettings
from elmtex_batch.training.world import World

_STATE = "checkpoint.pt"

Log = Callable[[dict[str, Any]], None]


class Task(Protocol):
    """What a reader learns: its model, its examples, and its loss."""

    @property
    def model(self) -> nn.Module:
        """What is trained: those of its parameters that take gradients."""
        ...

    def examples(self, epoch: int) -> list[Example]:
        """The training examples of an epoch; the same for the same epoch."""
        ...

    def loss(self, batch: Batch) -> Tensor:
        """The sum of the losses of all tokens that count."""
        ...


class Loop:
    """Trains what a task lets be trained. A checkpoint keeps weights, optimiser and the number of steps done."""

    def __init__(self, settings: TrainSettings, task: Task, compute: Compute, world: World, log: Log) -> None:
        self.step = 0
        self._settings = settings
        self._task = task
        self._compute = compute
        self._world = world
        self._log = log
        self._trained = {name: p for name, p in task.model.named_parameters() if p.requires_grad}
        self._optimiser = torch.optim.AdamW(
            self._trained.values(), weight_decay=settings.optimiser.weight_decay, fused=True
        )
        self._mean = {name: torch.zeros_like(p) for name, p in self._trained.items()}
        self._meter = _Meter()
        self._total = 0

    def epochs(self) -> Iterator[int]:
        """Yields each epoch's number once it is done."""
        epochs = self._settings.optimiser.epochs
        steps = [len(list(self.groups(epoch))) for epoch in range(epochs)]
        self._total = sum(steps)
        self._restore()
        saved = time.monotonic()
        for epoch in range(epochs):
            before = sum(steps[:epoch])
            if self.step >= before + steps[epoch]:
                continue
            for group in list(self.groups(epoch))[self.step - before :]:
                self.update(group, learning_rate(self._settings.optimiser, self.step, self._total))
                self._report(self._meter.take(at_least_s=10))
                if time.monotonic() - saved > 60 * self._settings.checkpoint_minutes:
                    self._save()
                    saved = time.monotonic()
            self._report(self._meter.take())
            self._save()
            yield epoch

    @torch.no_grad()
    def settle(self) -> None:
        """Puts the average of the last steps' weights into the model, where the settings want that."""
        if self._averaged_steps():
            for name, parameter in self._trained.items():
                parameter.copy_(self._mean[name])

    def groups(self, epoch: int) -> Iterator[Sequence[Batch]]:
        """The steps of an epoch, each the batches whose losses it averages."""
        optimiser = self._settings.optimiser
        batches = epoch_batches(self._task.examples(epoch), optimiser.batch_tokens, self._settings.seed, epoch)
        return groups(batches, optimiser.accumulation)

    def update(self, group: Sequence[Batch], rate: float) -> None:
        """One step of the optimiser, on the mean loss over all tokens of the group that count."""
        self._task.model.train()
        counted = max(1, sum(example.counted for batch in group for example in batch))
        loss = torch.zeros((), device=self._compute.device)
        for number, batch in self._world.share(list(enumerate(group))):
            # Dropout depends on the step and the batch alone: not on what ran before, nor in which process.
            torch.manual_seed(hash((self._settings.seed, self.step, number)))
            part = self._loss(batch) / counted
            part.backward()  # type: ignore[no-untyped-call]
            loss += part.detach()
        for parameter in self._trained.values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._world.add_up([loss, *(p.grad for p in self._trained.values() if p.grad is not None)])
        nn.utils.clip_grad_norm_(self._trained.values(), self._settings.optimiser.clip_norm)
        for settings in self._optimiser.param_groups:
            settings["lr"] = rate
        self._optimiser.step()
        self._optimiser.zero_grad()
        self.step += 1
        self._average()
        self._meter.add(rate, loss.item(), sum(len(e.ids) for batch in group for e in batch))

    @torch.no_grad()
    def _average(self) -> None:
        """Takes the weights of the moment into the running mean."""
        if (count := self._averaged_steps()) > 0:
            for name, parameter in self._trained.items():
                self._mean[name].lerp_(parameter, 1 / count)

    def _averaged_steps(self) -> int:
        """How many steps the running mean is over; not positive before its time."""
        first = self._total - round(self._settings.optimiser.averaged * self._total)
        return self.step - first

    def _report(self, measured: dict[str, float] | None) -> None:
        if measured:
            self._log({"step": self.step, "of": self._total, **measured})

    def _loss(self, batch: Batch) -> Tensor:
        kind, dtype = self._compute.device.type, self._compute.dtype
        mixed = dtype != torch.float32
        # LoRA's own cast of every input to fp32 would be undone by autocast at once.
        with disable_input_dtype_casting(self._task.model, active=mixed), torch.autocast(kind, dtype, enabled=mixed):
            return self._task.loss(batch)

    def _save(self) -> None:
        if self._world.rank:
            return
        state = {
            "step": self.step,
            "shape": self._shape(),
            "weights": {name: p.detach() for name, p in self._trained.items()},
            "mean": self._mean,
            "optimiser": self._optimiser.state_dict(),
        }
        target = self._path()
        torch.save(state, target.with_suffix(".part"))
        os.replace(target.with_suffix(".part"), target)  # noqa: PTH105

    def _path(self) -> Path:
        return self._settings.out / _STATE

    def _shape(self) -> str:
        """All settings that decide what comes out: going on with others would mix two trainings."""
        return self._settings.model_dump_json(
            exclude={"out", "dev", "device", "workers", "remarks", "checkpoint_minutes"}
        )

    def _restore(self) -> None:
        if not self._path().exists():
            return
        state = torch.load(self._path(), weights_only=True, map_location=self._compute.device)
        if state["shape"] != self._shape():
            raise SettingsError("the output folder holds a training with other settings; name another folder")
        with torch.no_grad():
            for name, parameter in self._trained.items():
                parameter.copy_(state["weights"][name])
                self._mean[name].copy_(state["mean"][name])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        self._log({"resumed_at_step": self.step})


class _Meter:
    """Loss and tokens per second since they were last taken."""

    def __init__(self) -> None:
        self._rate = 0.0
        self._losses: list[float] = []
        self._tokens = 0
        self._since = time.monotonic()

    def add(self, rate: float, loss: float, tokens: int) -> None:
        self._rate = rate
        self._losses.append(loss)
        self._tokens += tokens

    def take(self, at_least_s: float = 0) -> dict[str, float] | None:
        """What was measured, if there is any and it took so long."""
        seconds = time.monotonic() - self._since
        if not self._losses or seconds < at_least_s:
            return None
        mean, speed = sum(self._losses) / len(self._losses), self._tokens / max(seconds, 1e-9)
        self._losses, self._tokens, self._since = [], 0, time.monotonic()
        return {"learning_rate": self._rate, "loss": round(mean, 4), "tokens_per_s": round(speed)}


def learning_rate(settings: OptimiserSettings, step: int, total: int) -> float:
    """Linear warm-up, then half a cosine to zero (arXiv 1608.03983, without restarts)."""
    warm = max(1, round(settings.warmup * total))
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))
