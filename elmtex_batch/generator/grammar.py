"""Which answers a model may write, in llguidance's Lark syntax: fixed keys, and values as free as the format allows."""

import json
import re
from itertools import pairwise

from elmtex_batch.schema import Schema
from elmtex_batch.tags import TRIMMED, is_inner


def compact(schema: Schema, text: str) -> str:
    """A line for each category whose values are pieces of this text, cut between words and never across a line end.

    A value and what follows it are one terminal each way, so that the lexer need not know beforehand where it ends.
    """
    edge = f"[^\\s{re.escape(TRIMMED.strip())}]"
    if not re.search(edge, text):
        return "start: " + " ".join(json.dumps(f"{key}:\n") for key in schema.keys)
    lines = [_compact_line(f"line{i}", c.key, many=c.limit > 1) for i, c in enumerate(schema.category)]
    return "\n".join(
        [
            f"start: {' '.join(f'line{i}' for i in range(len(lines)))}",
            *lines,
            'GOES_ON: " " VALUE " |"',
            'LAST: " " VALUE "\\n"',
            f"VALUE: PIECE & /{edge}([^\\n|]*{edge})?/",
            f"PIECE: %regex {json.dumps({'substring_chunks': _chunks(text)}, ensure_ascii=False)}",
        ]
    )


def _compact_line(rule: str, key: str, *, many: bool) -> str:
    return f'{rule}: "{key}:" ({"GOES_ON* " if many else ""}LAST | "\\n")'


def _chunks(text: str) -> list[str]:
    """The text in pieces that no value parts: words, numbers, and single characters between them."""
    cuts = [0, *(at for at in range(1, len(text)) if not is_inner(text, at)), len(text)]
    return [text[a:b] for a, b in pairwise(cuts)]


def paper(schema: Schema) -> str:
    """A JSON object with a string for each category, whatever the strings say: it always parses.

    No string is empty, because the paper's answers say "N/A" for nothing; a base model that is not tuned would else
    repeat the empty object of the prompt.
    """
    opening = ["{", *[", "] * (len(schema.keys) - 1)]
    fields = [f'"{before}\\"{key}\\": " STRING' for before, key in zip(opening, schema.keys, strict=True)]
    return "\n".join(
        [
            f'start: {" ".join(fields)} "}}"',
            r'STRING: /"([^"\\\s;\x00-\x1F\x7F]|\\["\\\/])([^"\\\x00-\x1F\x7F]|\\["\\\/bfnrt])*"/',
        ]
    )
