"""What a generator is asked: three prompts, each with a version that adapters and the warehouse remember.

A version changes with the wording. The naive and the advanced prompt follow the ELMTEX paper (arXiv 2502.05638): an
instruction with an empty JSON object, and the same with the meaning of the fields and annotated reports as examples.
"""

import json
from collections.abc import Iterable

from elmtex_batch.schema import Schema

COMPACT, NAIVE, ADVANCED = 1, 1, 1
"""Versions."""

_TASK = (
    "Extract the information from the clinical report and fill in the JSON object. Use the words of the report. "
    'Separate several entries of a field by ";". Write "N/A" where the report says nothing.'
)


def compact(text: str) -> str:
    """The report between two markers; nothing else costs tokens, because the adapter knows its task."""
    return f"### Report\n{text}\n### Findings\n"


def naive(schema: Schema, text: str) -> str:
    """Instruction and empty JSON."""
    return f"{_TASK}\n\n{_empty(schema)}\n\n{_question(text)}"


def advanced(schema: Schema, text: str, examples: Iterable[tuple[str, str]]) -> str:
    """Instruction, empty JSON, what the fields mean, and `examples` of a report with its answer."""
    fields = "\n".join(f"- {c.key}: {c.title.en}. {c.description}" for c in schema.category)
    shown = "".join(f"{_question(report)}{answer}\n\n" for report, answer in examples)
    return f"{_TASK}\n\n{_empty(schema)}\n\nFields:\n{fields}\n\n{shown}{_question(text)}"


def _question(text: str) -> str:
    return f"Report:\n{text}\n\nJSON:\n"


def _empty(schema: Schema) -> str:
    return json.dumps(dict.fromkeys(schema.keys, ""))
