"""Letters with inline markup, as people annotate them in an editor: `<dx>Herzinsuffizienz NYHA III</dx>`.

The first line is `# ` and the kind of letter; the rest is the letter. Values are not nested, end on the line they begin
on, and have no white space at their ends.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from elmtex_batch.errors import InputMissing
from elmtex_batch.language import detect_language
from elmtex_batch.schema import Schema
from elmtex_batch.tags import Gold
from elmtex_batch.training.report import Report

TAGS = {
    "ls": "life_style",
    "fh": "family_history",
    "sh": "social_history",
    "mh": "medical_surgical_history",
    "ss": "signs_symptoms",
    "co": "comorbidities",
    "dt": "diagnostic_techniques_procedures",
    "dx": "diagnosis",
    "lab": "laboratory_values",
    "pa": "pathology",
    "ph": "pharmacological_therapy",
    "it": "interventional_therapy",
    "oc": "patient_outcome_assessment",
    "age": "age",
    "sex": "gender",
}
"""Short tags and the categories they stand for."""

_TAG = re.compile(r"<(/?)([a-z]+)>")


class _MarkupError(Exception):
    """What is wrong with a letter, and the line that it is wrong on."""


def read_letters(folder: Path, schema: Schema) -> list[Report]:
    """All letters (`*.txt`) of a folder and the folders in it, in the order of their names.

    Raises:
        InputMissing: there is none, or one breaks the rules; the message has its place in the order and the line.
        SettingsError: a tag stands for a category that the schema does not have.
    """
    paths = sorted(folder.rglob("*.txt"))
    if not paths:
        raise InputMissing("the folder of annotated letters holds no .txt file")
    reports = []
    for number, path in enumerate(paths, start=1):
        try:
            reports.append(read_markup(path, schema))
        except InputMissing as error:
            raise InputMissing(f"letter {number} of {len(paths)}: {error}") from None
    return reports


def read_markup(path: Path, schema: Schema) -> Report:
    """One letter, with the exact place of every value.

    Raises:
        InputMissing: the letter breaks the rules; the message has the line.
        SettingsError: a tag stands for a category that the schema does not have.
    """
    try:
        head, _, body = path.read_text(encoding="utf-8").partition("\n")
        if not head.startswith("# "):
            raise _MarkupError("line 1: the first line is `# ` and the kind of letter")
        text, golds = _parse(body)
    except UnicodeDecodeError:
        raise InputMissing("a letter is not UTF-8") from None
    except _MarkupError as error:
        raise InputMissing(str(error)) from None
    labels: dict[str, list[str]] = {}
    for gold in golds:
        values = labels.setdefault(str(gold.category), [])
        if (value := text[gold.start : gold.end]) not in values:
            values.append(value)
    name = f"{path.parent.name}/{path.stem}"
    target = schema.training_target(labels)
    return Report(name, detect_language(text), text, target, "letters", spans=tuple(golds))


def _parse(body: str) -> tuple[str, list[Gold]]:
    text, golds, position = "", [], 0
    for opening, closing in _pairs(body):
        text += body[position : opening.start()]
        value = body[opening.end() : closing.start()]
        if not value or value != value.strip():
            raise _fault("an empty value, or white space at the end of one", body, opening)
        golds.append(Gold(TAGS[opening[2]], len(text), len(text) + len(value)))
        text += value
        position = closing.end()
    return text + body[position:], golds


def _pairs(body: str) -> Iterator[tuple[re.Match[str], re.Match[str]]]:
    """Each opening tag with the tag that closes it."""
    opening: re.Match[str] | None = None
    for tag in _TAG.finditer(body):
        if tag[2] not in TAGS:
            raise _fault("unknown tag", body, tag)
        if opening is None and tag[1]:
            raise _fault("a tag is closed that is not open", body, tag)
        if opening is None:
            opening = tag
            continue
        if not tag[1] or tag[2] != opening[2]:
            raise _fault("a tag before the one that is open is closed", body, tag)
        if "\n" in body[opening.end() : tag.start()]:
            raise _fault("a value runs over the end of a line", body, opening)
        yield opening, tag
        opening = None
    if opening is not None:
        raise _fault("a tag is not closed", body, opening)


def _fault(what: str, body: str, tag: re.Match[str]) -> _MarkupError:
    # The body begins on the second line.
    return _MarkupError(f"line {body.count(chr(10), 0, tag.start()) + 2}: {what}")
