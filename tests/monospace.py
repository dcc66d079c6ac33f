"""Pages of monospaced words with boxes: every character 6 points wide, every line 12 points high."""

import textwrap

from elmtex_batch.document import Method, Page, Word

CHAR, LINE = 6.0, 12.0
LEFT, TOP = 72.0, 72.0


def wrapped(text: str, columns: int) -> str:
    """`text` with a line end where a typist with so many columns would make one."""
    return "\n".join(textwrap.fill(line, columns, break_long_words=False) for line in text.split("\n"))


def printed(*blocks: str, number: int = 1, left: float = LEFT, top: float = TOP) -> Page:
    """A page with blocks of lines, one below the other; two or more spaces leave a gap of their width."""
    words: list[Word] = []
    line = 0
    for block, text in enumerate(blocks):
        for row in text.split("\n"):
            column = 0
            for part in row.split(" "):
                if part:
                    x, y = left + column * CHAR, top + (line + block) * LINE
                    words.append(Word(part, line, block, (x, y, x + len(part) * CHAR, y + LINE)))
                column += len(part) + 1
            line += 1
    return Page(number, Method.TEXT_LAYER, "test", tuple(words), 612.0, 792.0)


def beside(left: Page, right: Page) -> Page:
    """One page with the words of both, the second read after the first."""
    lines, blocks = left.words[-1].line + 1, left.words[-1].block + 1
    moved = (Word(w.text, w.line + lines, w.block + blocks, w.box, w.confidence) for w in right.words)
    return Page(left.number, left.method, left.why, (*left.words, *moved), left.width, left.height)
