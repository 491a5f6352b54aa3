"""Random choices one after another, as writing needs them."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

__all__ = ["Draws"]

T = TypeVar("T")

BLOCK = 4096


class Draws:
    """A stream of random choices; numpy's, drawn in blocks, because single draws cost much more."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._block: list[float] = []

    def unit(self) -> float:
        """Draw from [0, 1)."""
        if not self._block:
            self._block = self._rng.random(BLOCK).tolist()
        return self._block.pop()

    def chance(self, share: float) -> bool:
        """Draw True with a probability."""
        return self.unit() < share

    def below(self, n: int) -> int:
        """Draw a whole number from 0 to n - 1."""
        return int(self.unit() * n)

    def choice(self, options: Sequence[T]) -> T:
        """Draw one of the options, each as likely as the others."""
        return options[int(self.unit() * len(options))]
