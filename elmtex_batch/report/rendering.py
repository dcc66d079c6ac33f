"""Templates and labels -> HTML. Whatever a document contains stays text; a page loads nothing but its pictures."""

import base64
import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from elmtex_batch import __version__
from elmtex_batch.report.document import Entry, ShownDocument
from elmtex_batch.report.numbers import clock, grouped, percent, points
from elmtex_batch.report.overview import Overview
from elmtex_batch.report.trend import Run, curves_of
from elmtex_batch.schema import Schema

DOCUMENTS = "documents"
"""The folder of the documents' pages in a report."""
COLOURS = 15
"""In `report.css`; the colours of further categories repeat, their numbers do not."""
LATEST_RUNS = 15
"""Runs in the table."""

Neighbours = tuple[str | None, str | None]
"""The documents before and after one in the list, by their ids."""
Labels = Mapping[str, Mapping[str, str]]
"""By key and language."""


@dataclass(slots=True)
class Wording:
    """The labels of one page: English in the markup, and for the switch, in both languages, those that it uses."""

    labels: Labels
    used: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def text(self, key: str) -> Markup:
        """An element with the label; a code without one, of a later version say, stands for itself."""
        return Markup('<span data-t="{}">{}</span>').format(key, self._english(key))

    def attribute(self, name: str, key: str) -> Markup:
        """An attribute with the label."""
        return Markup('{0}="{2}" data-t-{0}="{1}"').format(name, key, self._english(key))

    def _english(self, key: str) -> str:
        kind, _, code = key.rpartition(".")
        if kind and key not in self.labels:
            return code
        self.used[key] = self.labels[key]
        return self.labels[key]["en"]


class Renderer:
    """The pages of one report, which shows `shown` of `documents` documents."""

    def __init__(self, schema: Schema, shown: int, documents: int) -> None:
        titles = {f"category.{category.key}": category.title.model_dump() for category in schema.category}
        self._labels = {**load_labels(), **titles}
        self._environment = Environment(
            loader=PackageLoader("elmtex_batch.report", "page_files"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"percent": percent, "grouped": grouped, "clock": clock, "points": points}
        self._environment.globals |= {
            "schema": schema,
            "shown": shown,
            "documents": documents,
            "version": __version__,
            "made": datetime.now(UTC),
            "colours": COLOURS,
        }

    def index(self, overview: Overview, runs: Sequence[Run], entries: Sequence[Entry]) -> str:
        """The first page: figures of all documents, and the list of those that are shown."""
        latest = runs[: -LATEST_RUNS - 1 : -1]
        return self._render("index", overview=overview, runs=latest, curves=curves_of(runs), entries=entries)

    def document(self, document: ShownDocument, neighbours: Neighbours) -> str:
        """The page of one document."""
        return self._render("document", document=document, before=neighbours[0], after=neighbours[1])

    def _render(self, name: str, **shown: Any) -> str:
        script = _asset("common.js") + _asset(f"{name}.js")
        style = _asset("report.css")
        # The browser runs this script and no other, and loads nothing but pictures, from where the page came.
        policy = (
            f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src 'self'; "
            "base-uri 'none'; form-action 'none'"
        )
        wording = Wording(self._labels)
        template = self._environment.get_template(f"{name}.html.jinja")
        return template.render(
            **shown,
            t=wording.text,
            ta=wording.attribute,
            wording=wording,
            policy=policy,
            script=Markup(script),  # noqa: S704 - our own file
            style=Markup(style),  # noqa: S704 - our own file
        )


@cache
def load_labels() -> Labels:
    """All labels but those of the categories."""
    return tomllib.loads(_asset("labels.toml"))


@cache
def _asset(name: str) -> str:
    return (files("elmtex_batch.report") / "page_files" / name).read_text(encoding="utf-8")


def _digest(code: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
