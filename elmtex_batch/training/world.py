"""The processes that train together: each takes its share of a step, and they add up what they found."""

from collections.abc import Sequence
from itertools import chain
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


class World:
    """This process among those of `torch.distributed`, or alone where that was not initialised."""

    def __init__(self) -> None:
        together = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if together else 0
        self.size = dist.get_world_size() if together else 1

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Every `size`-th item, beginning with this process's own number."""
        return items[self.rank :: self.size]

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replaces every tensor by its sum over all processes."""
        if self.size > 1:
            flat = torch.cat([tensor.flatten() for tensor in tensors])
            dist.all_reduce(flat)
            begin = 0
            for tensor in tensors:
                tensor.copy_(flat[begin : begin + tensor.numel()].view_as(tensor))
                begin += tensor.numel()

    def gather(self, items: Sequence[T]) -> list[T]:
        """The items of all processes, for all of them."""
        if self.size == 1:
            return list(items)
        parts: list[Sequence[T]] = [()] * self.size
        dist.all_gather_object(parts, items)
        return list(chain.from_iterable(parts))
