"""The training loop: plain torch, one process, resumable at any step to the same result."""

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peft.helpers import disable_input_dtype_casting
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from elmtex_batch import adapters, models, tags
from elmtex_batch.bases import base_identity
from elmtex_batch.errors import SettingsError
from elmtex_batch.evaluation.entities import RELAXED, Counts, count_matches, micro
from elmtex_batch.reader import Answer
from elmtex_batch.schema import Schema, load_schema
from elmtex_batch.tagger import Tagger, TaggerModel, Tokens, pad
from elmtex_batch.training.batches import Example, epoch_batches, make_examples
from elmtex_batch.training.data import Report, read_reports
from elmtex_batch.training.settings import OptimiserSettings, TrainSettings

_STATE = "checkpoint.pt"
_BIASES = (-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
"""Outside biases tried on the development reports."""

Log = Callable[[dict[str, Any]], None]


def train(settings: TrainSettings, log: Log) -> Path:
    """Trains a tagger and returns its adapter folder; goes on from the last checkpoint in `settings.out`, if any.

    Raises:
        InputMissing: the annotated reports cannot be read.
        ModelError: the base model cannot be loaded.
        SettingsError: the checkpoint in `settings.out` was made with other settings.
    """
    torch.manual_seed(settings.seed)
    schema = load_schema(settings.schema_)
    tokens = Tokens(models.load_tokenizer(settings.base), settings.window_tokens)
    examples, unplaced = make_examples(read_reports(settings.data, schema), tokens, schema)
    log({"examples": len(examples), "tokens": sum(len(e.ids) for e in examples), "labels_not_in_text": unplaced})
    compute = models.choose_compute(settings.device)
    model = build_model(settings, schema, compute)
    dev = read_reports(settings.dev, schema) if settings.dev else []
    settings.out.mkdir(parents=True, exist_ok=True)
    run = _Run(settings, model, compute, log)
    tagger = Tagger(model, tokens, schema, settings.name, settings.optimiser.batch_tokens)
    facts: dict[str, Any] = {"labels_not_in_text": unplaced}
    for epoch in run.epochs(examples):
        if dev:
            log({"epoch": epoch + 1, "steps": run.step, "dev_relaxed_f1": dev_f1(tagger, schema, dev)})
    bias = 0.0
    if dev:
        bias, facts["dev_relaxed_f1"] = calibrate(tagger, schema, dev)
        log({"outside_bias": bias, "dev_relaxed_f1": facts["dev_relaxed_f1"]})
    return save_adapter(model, settings, schema, bias, {"steps": run.step, **facts})


def build_model(settings: TrainSettings, schema: Schema, compute: models.Compute) -> TaggerModel:
    """The frozen base with fresh LoRA matrices and a fresh head; both stay fp32, autocast multiplies in bf16."""
    from peft import LoraConfig, get_peft_model

    lora = settings.lora
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules="all-linear")
    backbone = get_peft_model(models.load_backbone(settings.base, compute.dtype), config)
    return TaggerModel(backbone, len(schema.tags), settings.optimiser.head_dropout).to(compute.device)


class _Run:
    """The state that a checkpoint keeps: weights, optimiser, random generator, and the number of steps done."""

    def __init__(self, settings: TrainSettings, model: TaggerModel, compute: models.Compute, log: Log) -> None:
        self.step = 0
        self._settings = settings
        self._model = model
        self._compute = compute
        self._autocast = compute.dtype != torch.float32
        self._log = log
        self._trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._optimiser = torch.optim.AdamW(
            self._trained.values(), weight_decay=settings.optimiser.weight_decay, fused=True
        )
        self._meter = _Meter()

    def epochs(self, examples: Sequence[Example]) -> Iterator[int]:
        """Yields each epoch's number once it is done."""
        optimiser = self._settings.optimiser
        plan = [
            epoch_batches(examples, optimiser.batch_tokens, self._settings.seed, epoch)
            for epoch in range(optimiser.epochs)
        ]
        self._restore()
        total = sum(map(len, plan))
        done, saved = 0, time.monotonic()
        for epoch, batches in enumerate(plan):
            for batch in batches:
                done += 1
                if done <= self.step:
                    continue
                self._update(batch, learning_rate(optimiser, self.step, total))
                if time.monotonic() - saved > 60 * self._settings.checkpoint_minutes:
                    self._save()
                    saved = time.monotonic()
            if done == self.step:
                self._save()
                yield epoch

    def _update(self, batch: Sequence[Example], rate: float) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        loss = self._loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._trained.values(), self._settings.optimiser.clip_norm)
        self._optimiser.step()
        self._optimiser.zero_grad()
        self.step += 1
        if report := self._meter.add(loss.item(), sum(len(e.ids) for e in batch)):
            self._log({"step": self.step, "learning_rate": rate, **report})

    def _loss(self, batch: Sequence[Example]) -> Tensor:
        device = self._compute.device
        ids = pad([e.ids for e in batch], 0, device)
        labels = pad([e.labels for e in batch], tags.IGNORED, device)
        lengths = torch.tensor([len(e.ids) for e in batch], device=device)
        self._model.train()
        # LoRA's own cast of every input to fp32 would be undone by autocast at once.
        with (
            disable_input_dtype_casting(self._model, active=self._autocast),
            torch.autocast(device.type, self._compute.dtype, enabled=self._autocast),
        ):
            scores = self._model(ids, lengths)
        return cross_entropy(scores.float().flatten(0, 1), labels.flatten(), ignore_index=tags.IGNORED)

    def _save(self) -> None:
        state = {
            "step": self.step,
            "shape": self._shape(),
            "weights": {name: p.detach() for name, p in self._trained.items()},
            "optimiser": self._optimiser.state_dict(),
            "random": torch.get_rng_state(),
        }
        target = self._settings.out / _STATE
        torch.save(state, target.with_suffix(".part"))
        os.replace(target.with_suffix(".part"), target)  # noqa: PTH105

    def _shape(self) -> str:
        """All settings that decide what comes out: going on with others would mix two trainings."""
        return self._settings.model_dump_json(exclude={"out", "dev", "device", "checkpoint_minutes"})

    def _restore(self) -> None:
        path = self._settings.out / _STATE
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location=self._compute.device)
        if state["shape"] != self._shape():
            raise SettingsError("the output folder holds a training with other settings; name another folder")
        with torch.no_grad():
            for name, parameter in self._trained.items():
                parameter.copy_(state["weights"][name])
        self._optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"].cpu())
        self.step = state["step"]
        self._log({"resumed_at_step": self.step})


@dataclass
class _Meter:
    """Loss and tokens per second, averaged over about ten seconds."""

    losses: float = 0.0
    steps: int = 0
    tokens: int = 0
    since: float = 0.0

    def add(self, loss: float, tokens: int) -> dict[str, float] | None:
        now = time.monotonic()
        self.since = self.since or now
        self.losses += loss
        self.steps += 1
        self.tokens += tokens
        if now - self.since < 10:
            return None
        report = {"loss": round(self.losses / self.steps, 4), "tokens_per_s": round(self.tokens / (now - self.since))}
        self.losses, self.steps, self.tokens, self.since = 0.0, 0, 0, now
        return report


def learning_rate(settings: OptimiserSettings, step: int, total: int) -> float:
    """Linear warm-up, then half a cosine to zero (arXiv 1608.03983, without restarts)."""
    warm = max(1, round(settings.warmup * total))
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def dev_f1(tagger: Tagger, schema: Schema, reports: Sequence[Report]) -> float:
    """Relaxed micro F1 on annotated reports, read as the converter will read them."""
    return _f1_at(tagger, schema, reports, (0.0,))[0]


def calibrate(tagger: Tagger, schema: Schema, reports: Sequence[Report]) -> tuple[float, float]:
    """The outside bias of `_BIASES` with the best relaxed micro F1, and that F1."""
    scores = _f1_at(tagger, schema, reports, _BIASES)
    best = max(range(len(_BIASES)), key=scores.__getitem__)
    return _BIASES[best], scores[best]


def _f1_at(tagger: Tagger, schema: Schema, reports: Sequence[Report], biases: Sequence[float]) -> list[float]:
    readings = tagger.read_at([report.text for report in reports], biases)
    return [
        round(micro([_count(*pair, schema) for pair in zip(reports, answers, strict=True)]).f1, 4)
        for answers in readings
    ]


def _count(report: Report, answer: Answer, schema: Schema) -> dict[str, Counts]:
    found: dict[str, list[str]] = {key: [] for key in schema.keys}
    for span in answer:
        found[span.category].append(report.text[span.start : span.end])
    return count_matches(report.labels, found, RELAXED)


def save_adapter(
    model: TaggerModel, settings: TrainSettings, schema: Schema, outside_bias: float, facts: dict[str, Any]
) -> Path:
    """Writes LoRA weights and head in bf16 safetensors with the card, into `settings.out / "adapter"`."""
    folder = settings.out / "adapter"
    backbone = model.encoder.backbone
    # The folder where this machine keeps the base is nobody else's business; the card names the base.
    backbone.peft_config["default"].base_model_name_or_path = settings.base
    trained = {name: p.detach().to(torch.bfloat16) for name, p in backbone.state_dict().items() if "lora_" in name}
    backbone.save_pretrained(str(folder), state_dict=trained, safe_serialization=True)
    # peft leaves a form of a model card with nothing filled in.
    (folder / "README.md").unlink()
    head = {name: p.detach().to(torch.bfloat16).contiguous() for name, p in model.head.state_dict().items()}
    save_file(head, folder / adapters.HEAD)
    card = adapters.AdapterCard(
        name=settings.name,
        reader="tagger",
        schema_name=schema.label,
        schema_fingerprint=schema.fingerprint,
        tags=schema.tags,
        base=settings.base,
        base_identity=base_identity(settings.base),
        window_tokens=settings.window_tokens,
        outside_bias=outside_bias,
        training={**settings.model_dump(include={"seed", "lora", "optimiser"}), **facts},
        versions={name: version(name) for name in ("elmtex-batch", "torch", "transformers", "peft")},
    )
    (folder / adapters.CARD).write_text(json.dumps(card.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    return folder
