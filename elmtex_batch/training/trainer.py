"""A training from its settings to the adapter folder."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from elmtex_batch import adapters, models
from elmtex_batch.advisories import check_environment
from elmtex_batch.bases import base_identity
from elmtex_batch.errors import SettingsError
from elmtex_batch.evaluation.entities import Counts
from elmtex_batch.generator import prompts
from elmtex_batch.reader import Answer
from elmtex_batch.schema import Schema, load_schema
from elmtex_batch.training.card import CardFacts, DataFacts, data_facts, dev_scores, write_card
from elmtex_batch.training.curve import draw_curve
from elmtex_batch.training.data import read_reports, split_by_patient
from elmtex_batch.training.leaks import overlaps
from elmtex_batch.training.log import LOG
from elmtex_batch.training.loop import Log, Loop
from elmtex_batch.training.report import Report
from elmtex_batch.training.settings import TrainSettings
from elmtex_batch.training.tagging import Tagging
from elmtex_batch.training.world import World
from elmtex_batch.training.writing import Writing

Values = dict[str, list[str]]


def train(settings: TrainSettings, log: Log) -> Path:
    """Trains an adapter and returns its folder; goes on from the last checkpoint in `settings.out`, if any.

    Raises:
        InputMissing: the annotated reports cannot be read.
        ModelError: the base model or the adapter to go on from cannot be loaded, or a worker failed.
        SettingsError: the checkpoint in `settings.out` was made with other settings, or development reports are
            among those to train on.
        UnsafeEnvironment: a package is known to be unsafe.
    """
    if settings.workers > 1:
        from elmtex_batch.training.distributed import train_on_ray

        return train_on_ray(settings)
    return train_here(settings, log)


def train_here(settings: TrainSettings, log: Log) -> Path:
    """What one process of a training does; see `train`."""
    check_environment()
    schema = load_schema(settings.schema_)
    data = [(path, read_reports(path, schema)) for path in settings.data]
    reports = [report for _, part in data for report in part]
    if settings.dev:
        dev = read_reports(settings.dev, schema)
    else:
        reports, dev = split_by_patient(reports, settings.dev_share, settings.seed)
    if leaks := overlaps(reports, dev):
        raise SettingsError(f"{len({leak.held_out for leak in leaks})} development reports are in the training data")
    compute = models.choose_compute(settings.device)
    settings.out.mkdir(parents=True, exist_ok=True)
    task = (Tagging if settings.reader == "tagger" else Writing)(settings, schema, compute, reports)
    log({"reports": len(reports), "labels_not_in_text": task.unplaced})
    world = World()
    loop = Loop(settings, task, compute, world, log)
    bias, found = _train(task, loop, dev, world, log)
    facts = {"steps": loop.step, "labels_not_in_text": task.unplaced}
    if world.rank == 0:
        folder = save_adapter(task, settings, schema, bias, facts)
        told = _facts("training", data, reports)
        told += _facts("development", [(settings.dev, dev)] if settings.dev else data, dev)
        _document(folder, settings, told, dev_scores(dev, found) if dev else {})
    return settings.out / "adapter"


def _train(
    task: Tagging | Writing, loop: Loop, dev: Sequence[Report], world: World, log: Log
) -> tuple[float, list[Values]]:
    """The outside bias that is best on the development reports, and what is then found in them."""
    for epoch in loop.epochs():
        score = _score(dev, _read(task, dev, (0.0,), world)[0]) if dev else {}
        log({"epoch": epoch + 1, "steps": loop.step, **score})
    loop.settle()
    if not dev:
        return 0.0, []
    readings = _read(task, dev, task.biases, world)
    best = max(range(len(readings)), key=lambda i: dev_scores(dev, readings[i])["all"].f1)
    log({"outside_bias": task.biases[best], **_score(dev, readings[best])})
    return task.biases[best], readings[best]


def _read(
    task: Tagging | Writing, reports: Sequence[Report], biases: Sequence[float], world: World
) -> list[list[Values]]:
    """For each outside bias what the reader finds in each report, read as the converter will read it."""
    places = world.share(range(len(reports)))
    with torch.compiler.set_stance("force_eager"):
        answers = task.read_at([reports[i].text for i in places], biases)
    own = [
        (i, [_values(reports[i], answer) for answer in of_report])
        for i, *of_report in zip(places, *answers, strict=True)
    ]
    return [[values[b] for _, values in sorted(world.gather(own))] for b in range(len(biases))]


def _values(report: Report, answer: Answer) -> Values:
    found: Values = {}
    for span in answer.spans:
        found.setdefault(span.category, []).append(report.text[span.start : span.end])
    for value in answer.ungrounded:
        found.setdefault(value.category, []).append(value.value)
    return found


def _score(reports: Sequence[Report], found: Sequence[Values]) -> dict[str, float]:
    return {"dev_relaxed_f1": round(dev_scores(reports, found)["all"].f1, 4)}


def save_adapter(
    task: Tagging | Writing, settings: TrainSettings, schema: Schema, outside_bias: float, facts: Mapping[str, Any]
) -> Path:
    """Writes LoRA weights and head in bf16 safetensors with the card, into `settings.out / "adapter"`."""
    folder = settings.out / "adapter"
    # The folder where this machine keeps the base is nobody else's business; the card names the base.
    config = task.backbone.peft_config["default"]
    config.base_model_name_or_path = settings.base
    if isinstance(config.target_modules, str):  # a pattern, which no adapter may bring
        config.target_modules = {*task.backbone.base_model.targeted_module_names}
    weights = {name: p.detach().to(torch.bfloat16) for name, p in task.backbone.state_dict().items() if "lora_" in name}
    task.backbone.save_pretrained(str(folder), state_dict=weights, safe_serialization=True)
    task.write_head(folder)
    card = adapters.AdapterCard(
        name=settings.name,
        schema_name=schema.label,
        schema_fingerprint=schema.fingerprint,
        base=settings.base,
        base_identity=base_identity(settings.base),
        window_tokens=settings.window_tokens,
        outside_bias=outside_bias,
        training={
            **settings.model_dump(include={"seed", "dev_share", "least_window", "lora", "variation", "optimiser"}),
            **facts,
        },
        versions={name: version(name) for name in ("elmtex-batch", "torch", "transformers", "peft")},
        **_of_reader(settings, schema),
    )
    (folder / adapters.CARD).write_text(json.dumps(card.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    return folder


def _of_reader(settings: TrainSettings, schema: Schema) -> dict[str, Any]:
    if settings.reader == "tagger":
        return {"reader": "tagger", "tags": schema.tags}
    version_ = prompts.COMPACT if settings.answer_format == "compact" else prompts.NAIVE
    return {"reader": "generator", "answer_format": settings.answer_format, "prompt_version": version_}


def _facts(role: str, data: Sequence[tuple[Path, Sequence[Report]]], used: Sequence[Report]) -> list[DataFacts]:
    """What is told of those reports of each file that were used in this role."""
    ours = set(map(id, used))
    parts = [(path, [report for report in reports if id(report) in ours]) for path, reports in data]
    return [data_facts(role, path, reports) for path, reports in parts if reports]


def _document(folder: Path, settings: TrainSettings, data: Sequence[DataFacts], scores: Mapping[str, Counts]) -> None:
    """The model card for people, and the loss curve where there is a log."""
    remarks = [settings.remarks.read_text(encoding="utf-8")] if settings.remarks else []
    write_card(folder, CardFacts(data, scores, remarks))
    if (settings.out / LOG).exists():
        draw_curve(settings.out / LOG, settings.out / "loss.png")
