"""Adapter folders: LoRA weights and head in safetensors, and the card that says what they were trained for."""

from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from elmtex_batch.bases import base_identity
from elmtex_batch.errors import ModelError
from elmtex_batch.schema import Schema

CARD = "elmtex.json"
HEAD = "head.safetensors"
BUNDLED = Path(__file__).parent / "adapters_bundled"


class AdapterCard(BaseModel):
    """What an adapter was trained for; it is used for nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    reader: Literal["tagger"]
    schema_name: str
    schema_fingerprint: str
    tags: tuple[str, ...]
    base: str
    base_identity: str
    window_tokens: PositiveInt
    outside_bias: float = 0.0
    """Calibrates precision against recall; see `elmtex_batch.tags.decode`."""
    training: dict[str, Any]
    versions: dict[str, str]


def adapter_folder(name_or_path: str) -> Path:
    """The folder of `bundled` or of an adapter of one's own."""
    return BUNDLED if name_or_path == "bundled" else Path(name_or_path)


def read_card(folder: Path) -> AdapterCard:
    """The card of an adapter folder.

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


def check_fits(card: AdapterCard, schema: Schema, base: str) -> None:
    """Refuses an adapter that was trained for another schema or base model, or with a later generation of software.

    Raises:
        ModelError: it does not fit.
    """
    if card.schema_fingerprint != schema.fingerprint or card.tags != schema.tags:
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
