"""Adapter folders: LoRA weights and head in safetensors, and the card that says what they were trained for."""

import hashlib
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError, model_validator

from elmtex_batch.bases import base_identity
from elmtex_batch.errors import ModelError
from elmtex_batch.modelfiles import check_adapter
from elmtex_batch.schema import Schema

CARD = "elmtex.json"
HEAD = "head.safetensors"
BUNDLED = Path(__file__).parent / "adapters_bundled"
"""One folder for each reader that an adapter is bundled for."""

ReaderKind = Literal["tagger", "generator"]


class AdapterCard(BaseModel):
    """What an adapter was trained for; it is used for nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    reader: ReaderKind
    schema_name: str
    schema_fingerprint: str
    tags: tuple[str, ...] = ()
    """A tagger's labels."""
    answer_format: Literal["paper", "compact"] | None = None
    """What a generator writes; see `elmtex_batch.generator.formats`."""
    prompt_version: PositiveInt | None = None
    """The wording of a generator's prompt; see `elmtex_batch.generator.prompts`."""
    base: str
    base_identity: str
    window_tokens: PositiveInt
    outside_bias: float = 0.0
    """Calibrates precision against recall; see `elmtex_batch.tags.decode`."""
    training: dict[str, Any]
    versions: dict[str, str]

    @model_validator(mode="after")
    def _says_what_its_reader_needs(self) -> Self:
        needed = (self.tags,) if self.reader == "tagger" else (self.answer_format, self.prompt_version)
        if not all(needed):
            raise ValueError("a tagger has tags, a generator an answer format and a prompt version")
        return self


def adapter_folder(name_or_path: str, reader: ReaderKind) -> Path:
    """The folder of `bundled` for this reader, or of an adapter of one's own.

    Raises:
        ModelError: none is bundled for this reader.
    """
    if name_or_path != "bundled":
        return Path(name_or_path)
    if not (BUNDLED / reader).is_dir():
        raise ModelError(
            f"no {reader} adapter is bundled; name a folder made by `elmtex-batch train --reader {reader}`"
        )
    return BUNDLED / reader


def read_card(folder: Path) -> AdapterCard:
    """The card of an adapter folder in which nothing but an adapter was found.

    Raises:
        ModelError: there is no card, or it is not of this format, or `elmtex_batch.modelfiles` refuses the folder.
    """
    card = parse_card(folder)
    check_adapter(folder)
    return card


def parse_card(folder: Path) -> AdapterCard:
    """The card alone, of a folder that is not to be loaded.

    Raises:
        ModelError: there is no card, or it is not of this format.
    """
    try:
        return AdapterCard.model_validate_json((folder / CARD).read_text(encoding="utf-8"))
    except OSError:
        raise ModelError(f"no adapter in {folder}; name a folder made by `elmtex-batch train`, or `bundled`") from None
    except ValidationError as error:
        places = ", ".join(".".join(map(str, e["loc"])) for e in error.errors(include_input=False))
        raise ModelError(f"the adapter card {folder / CARD} is not valid: {places}") from None


def fingerprint(folder: Path) -> str:
    """Tells apart adapters of the same name: identifies weights and card."""
    digest = hashlib.sha256()
    for path in [folder / CARD, *sorted(folder.glob("*.safetensors"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def check_fits(card: AdapterCard, schema: Schema, base: str, reader: ReaderKind) -> None:
    """Refuses an adapter that was trained for another reader, schema or base model, or with later software.

    Raises:
        ModelError: it does not fit.
    """
    if card.reader != reader:
        raise ModelError(
            f"the adapter {card.name} was trained for the {card.reader}; set model.reader to {card.reader}"
        )
    if card.schema_fingerprint != schema.fingerprint or (reader == "tagger" and card.tags != schema.tags):
        raise ModelError(
            f"the adapter {card.name} was trained for the schema {card.schema_name}, not for {schema.label}; "
            "name its schema, or train an adapter for yours"
        )
    if base == card.base and base_identity(base) != card.base_identity:
        raise ModelError(f"the adapter {card.name} was trained on another edition of {base}; train it again")
    for package, needed in card.versions.items():
        if _major(installed_version(package)) < _major(needed):
            raise ModelError(f"the adapter {card.name} was made with {package} {needed}; install that version or later")


def _major(number: str) -> int:
    return int(number.split(".")[0])
