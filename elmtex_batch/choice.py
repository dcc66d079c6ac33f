"""Which model the settings mean: its base, its adapter if any, and the name that the warehouse records."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from elmtex_batch.adapters import AdapterCard, adapter_folder, check_fits, fingerprint, read_card
from elmtex_batch.bases import DEFAULT_BASE, EMBEDDED
from elmtex_batch.errors import InputMissing, ModelError
from elmtex_batch.generator import prompts
from elmtex_batch.schema import Schema
from elmtex_batch.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class Choice:
    """A model. `name` tells apart whatever could read differently: adapter or base, reader, prompt and its version."""

    name: str
    base: str
    folder: Path | None = None
    card: AdapterCard | None = None


def choose_model(settings: ModelSettings, schema: Schema) -> Choice:
    """The model of these settings, its adapter checked against the schema.

    Raises:
        ModelError: the adapter is missing or does not fit the schema, the base or the prompt.
        InputMissing: the examples of the prompt `advanced` cannot be read.
    """
    if settings.prompt != "finetuned" and settings.adapter == "bundled":
        base = settings.base or DEFAULT_BASE
        return Choice(f"{_base_label(base)}/{_prompt_label(settings)}", base)
    folder = adapter_folder(settings.adapter, settings.reader)
    card = read_card(folder)
    base = settings.base or _base_of(card)
    check_fits(card, schema, base, settings.reader)
    name = f"{card.name}@{fingerprint(folder)}"
    if card.reader == "tagger":
        return Choice(name, base, folder, card)
    _check_prompt(card, settings)
    label = _trained_label(card) if settings.prompt == "finetuned" else _prompt_label(settings)
    return Choice(f"{name}/{label}", base, folder, card)


def _base_of(card: AdapterCard) -> str:
    """Embedded, or a folder of this machine. An adapter must not decide what is fetched from a hub."""
    if card.base in EMBEDDED or (Path(card.base).is_absolute() and ".." not in Path(card.base).parts):
        return card.base
    raise ModelError(f"the adapter {card.name} was trained on the base model {card.base}; name it in model.base")


def _check_prompt(card: AdapterCard, settings: ModelSettings) -> None:
    if card.answer_format == "compact" and settings.prompt != "finetuned":
        raise ModelError(f"the adapter {card.name} writes the compact format; set model.prompt to finetuned")
    current = prompts.COMPACT if card.answer_format == "compact" else prompts.NAIVE
    if card.prompt_version != current:
        raise ModelError(f"the adapter {card.name} was trained with another wording of the prompt; train it again")


def _trained_label(card: AdapterCard) -> str:
    return f"{card.answer_format}-{card.prompt_version}"


def _prompt_label(settings: ModelSettings) -> str:
    if settings.prompt == "naive":
        return f"naive-{prompts.NAIVE}"
    return f"advanced-{prompts.ADVANCED}-{_fingerprint(settings)}"


def _fingerprint(settings: ModelSettings) -> str:
    """Identifies what the advanced prompt shows: the examples, how many, and how they are chosen."""
    try:
        content = settings.examples.read_bytes() if settings.examples else b""
    except OSError as error:
        raise InputMissing(f"cannot read the examples of the advanced prompt: {error.strerror}") from None
    chosen = f"{settings.shots} {settings.embedder} {hashlib.sha256(content).hexdigest()}"
    return hashlib.sha256(chosen.encode()).hexdigest()[:8]


def _base_label(base: str) -> str:
    """Where this machine keeps a model is nobody else's business."""
    return Path(base).name if Path(base).is_dir() else base
