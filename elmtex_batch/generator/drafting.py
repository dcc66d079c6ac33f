"""Guesses of what an answer says next, for the model to confirm several of them in one pass."""

from collections.abc import Sequence

_LONGEST = 3
"""Tokens that are looked up at most; longer runs find hardly more."""


class Lookup:
    """Where the last tokens of an answer stand in its prompt, what follows them there follows here (prompt lookup).

    Values stand in the answer in the order of the report, so the first place behind the last copied one is tried.
    """

    def __init__(self, prompt: Sequence[int]) -> None:
        self._prompt = prompt
        self._behind: dict[tuple[int, ...], list[int]] = {}
        """Behind which places a run of tokens stands."""
        self._copied = 0
        for end in range(1, len(prompt)):
            for length in range(1, min(_LONGEST, end) + 1):
                self._behind.setdefault(tuple(prompt[end - length : end]), []).append(end)

    def following(self, answer: Sequence[int]) -> int | None:
        """The token that follows the last ones of `answer` in the prompt; None where they do not stand there."""
        found = self._place(answer, least=1)
        return None if found is None else self._prompt[found]

    def keep_place(self, answer: Sequence[int]) -> None:
        """Remembers how far the answer has come in the prompt."""
        self._copied = self._place(answer, least=2) or self._copied

    def _place(self, answer: Sequence[int], least: int) -> int | None:
        for length in range(min(_LONGEST, len(answer)), least - 1, -1):
            if places := self._behind.get(tuple(answer[-length:])):
                return next((place for place in places if place >= self._copied), places[0])
        return None


def following_last(answer: Sequence[int]) -> int | None:
    """The token that followed the last one of `answer` when it stood there before; behind a key that is a habit."""
    for place in range(len(answer) - 1, 0, -1):
        if answer[place - 1] == answer[-1]:
            return answer[place]
    return None
