"""What ends a category's values before the model does: budgets, and guards against repetition."""

from dataclasses import dataclass

from elmtex_batch.generator.formats import Open
from elmtex_batch.schema import Schema

_SHORTEST_CYCLE, _TIMES = 4, 4
"""The same piece of at least so many characters, so many times in a row, is a model that found no end."""
_REPEATS = 3
"""So is a list with so many values that it has already had. A single one is a slip, and counts once."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of one answer: those of the schema's categories, and `tokens` for all."""

    schema: Schema
    tokens: int

    def is_spent(self, at: Open, tokens: int) -> bool:
        """Whether the value that is being written has to end, after so many tokens of the whole answer."""
        limit = self.schema.category[self.schema.keys.index(at.category)].max_chars
        return tokens >= self.tokens or len(at.current) > limit or _cycles(at.current)

    def allows_another(self, at: Open) -> bool:
        """Whether another value may follow the current one: the list is not full, and does not run in circles."""
        limit = self.schema.category[self.schema.keys.index(at.category)].limit
        values = (*at.finished, at.current)
        different = len(set(values))
        return different < limit and len(values) - different < _REPEATS


def _cycles(value: str) -> bool:
    periods = range(_SHORTEST_CYCLE, len(value) // _TIMES + 1)
    return any(value.endswith(value[-period:] * _TIMES) for period in periods)
