"""The category schema: one TOML file from which everything that depends on the categories is derived."""

import hashlib
import json
import tomllib
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    StringConstraints,
    ValidationError,
    create_model,
    model_validator,
)

from elmtex_batch.document import Box
from elmtex_batch.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
ValueType = Literal["text", "age", "gender"]
BOX_SIDES = ("x0", "y0", "x1", "y1")


class Title(BaseModel):
    """A category's name as shown to people."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    en: str
    de: str


class Category(BaseModel):
    """One kind of information that is extracted, and the limits its values must keep."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    title: Title
    description: str
    cardinality: Literal["one", "many"] = "many"
    type: ValueType = "text"
    max_values: PositiveInt = 200
    max_chars: PositiveInt = 500

    @property
    def limit(self) -> int:
        """How many values a document may have."""
        return 1 if self.cardinality == "one" else self.max_values

    @property
    def is_typed_fact(self) -> bool:
        """Whether it holds one value of a type that wording tells, such as the patient's age."""
        return self.cardinality == "one" and self.type != "text"


class Value(BaseModel):
    """A verbatim piece of the document's text with its evidence.

    `start` and `end` are offsets in characters: `text[start:end] == value`. `boxes` holds one box for each printed line
    the value touches (see `elmtex_batch.document.Box`), none for plain text. `score` is the model's probability.
    Only a generator that writes freely (paper format) makes values that stand nowhere in the text: their `start`, `end`
    and `page` are None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: str = Field(min_length=1)
    start: int | None = Field(ge=0)
    end: int | None = Field(gt=0)
    page: int | None = Field(ge=1)
    boxes: tuple[Box, ...] = ()
    ocr_confidence: float | None = Field(default=None, ge=0, le=1)
    score: float = Field(ge=0, le=1)


class Schema(BaseModel):
    """The categories, in order, and what follows from them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Key
    version: PositiveInt
    category: tuple[Category, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _keys_are_unique(self) -> Self:
        keys = [category.key for category in self.category]
        if len(set(keys)) != len(keys):
            raise ValueError("category keys must be unique")
        for kind in ("age", "gender"):
            if sum(category.type == kind for category in self.category) > 1:
                raise ValueError(f"at most one category may have the type {kind}")
        return self

    @cached_property
    def keys(self) -> tuple[str, ...]:
        return tuple(category.key for category in self.category)

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The tagger's labels: outside, then begin and inside of every category (Ramshaw & Marcus 1995, IOB2)."""
        return ("O", *(f"{prefix}-{key}" for key in self.keys for prefix in "BI"))

    @cached_property
    def fingerprint(self) -> str:
        """Identifies what a model was trained for; titles and wording of descriptions do not change it."""
        shape = [(c.key, c.cardinality, c.type) for c in self.category]
        return hashlib.sha256(json.dumps([self.name, self.version, shape]).encode()).hexdigest()[:16]

    @cached_property
    def label(self) -> str:
        """Name and version, as written to the warehouse."""
        return f"{self.name}/{self.version}"

    def of_type(self, kind: ValueType) -> Category | None:
        """The first category of a type."""
        return next((category for category in self.category if category.type == kind), None)

    @cached_property
    def extraction_model(self) -> type[BaseModel]:
        """The pydantic model of a document's extraction: for each category a list of values within its limits."""
        fields: dict[str, Any] = {c.key: (_values_type(c), _values_field(c)) for c in self.category}
        config = ConfigDict(frozen=True, extra="forbid", title=f"{self.name} extraction, version {self.version}")
        return create_model("Extraction", __config__=config, **fields)

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema (draft 2020-12) of a document's extraction."""
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **self.extraction_model.model_json_schema()}

    def training_target(self, labels: dict[str, list[str]]) -> dict[str, list[str]]:
        """Annotated values brought into the schema's order.

        Raises:
            SettingsError: a label names a category that this schema does not have.
        """
        if unknown := sorted(set(labels) - set(self.keys)):
            raise SettingsError(f"the schema {self.name} has no category {', '.join(unknown)}")
        return {key: list(labels.get(key, ())) for key in self.keys}

    def arrow_type(self) -> "pa.StructType":
        """The Arrow type of a document's extraction."""
        import pyarrow as pa

        return pa.struct([pa.field(key, pa.list_(value_arrow_type())) for key in self.keys])


def _values_type(category: Category) -> Any:
    value = create_model(
        f"{category.key}_value", __base__=Value, value=(str, Field(min_length=1, max_length=category.max_chars))
    )
    return tuple[value, ...]


def _values_field(category: Category) -> Any:
    return Field(
        default=(), max_length=category.limit, title=category.title.en, description=category.description,
        json_schema_extra={"title_de": category.title.de, "value_type": category.type},
    )  # fmt: skip


def value_arrow_type() -> "pa.StructType":
    """The Arrow type of one `Value`."""
    import pyarrow as pa

    box = pa.struct([pa.field(side, pa.float32()) for side in BOX_SIDES])
    return pa.struct(
        [
            pa.field("value", pa.string(), nullable=False),
            pa.field("start", pa.int32()),
            pa.field("end", pa.int32()),
            pa.field("page", pa.int32()),
            pa.field("boxes", pa.list_(box)),
            pa.field("ocr_confidence", pa.float32()),
            pa.field("score", pa.float32(), nullable=False),
        ]
    )


def load_schema(name_or_path: str) -> Schema:
    """A schema that ships with the package by its name, or any TOML file by its path.

    Raises:
        SettingsError: there is no such schema, or the file breaks the rules of `Schema`.
    """
    path = Path(name_or_path) if name_or_path.endswith(".toml") else _schemas_folder() / f"{name_or_path}.toml"
    try:
        return Schema.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError:
        known = ", ".join(sorted(p.stem for p in _schemas_folder().glob("*.toml")))
        raise SettingsError(f"no schema {name_or_path!r}; known: {known}, or the path of a .toml file") from None
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise SettingsError(f"schema {name_or_path!r} is not valid: {places}") from None
    except ValueError as error:
        raise SettingsError(f"schema {name_or_path!r} is not valid TOML: {error}") from None


def _schemas_folder() -> Path:
    """Inside the installed package, or beside it in a checkout."""
    packaged = Path(str(files("elmtex_batch"))) / "schemas"
    return packaged if packaged.is_dir() else packaged.parent.parent / "schemas"
