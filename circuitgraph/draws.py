"""Counter-based random numbers: the same for a graph whatever batch, worker or process it is in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


def seed_of(*parts: int | str) -> int:
    """A 64-bit seed mixed from numbers and words by a hash, not by addition.

    >>> seed_of(1, 2) != seed_of(2, 1)
    True
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


@dataclass(frozen=True)
class Draws:
    """Random numbers that depend on (seed, epoch, purpose, graph, position) and on nothing else.

    Source: J. Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011), as numpy's Philox.

    >>> whole = Draws(7, 0).uniform("mask", [11, 12], [3, 2])
    >>> alone = Draws(7, 0).uniform("mask", [12], [2])
    >>> bool((whole[3:] == alone).all())
    True
    """

    seed: int
    epoch: int = 0

    def uniform(
        self, purpose: str, graph_ids: Sequence[int] | npt.NDArray[np.int64], counts: Sequence[int]
    ) -> npt.NDArray[np.float64]:
        """Numbers in [0, 1), float64 [sum of counts]: those of the first graph, then of the second, ...

        Args:
            purpose: what they are for; another purpose gives other numbers.
            graph_ids: int64 [B], ``data.graph_id`` of each graph.
            counts: [B], how many numbers each graph takes.
        """
        parts = [
            np.random.Generator(np.random.Philox(key=seed_of(self.seed, self.epoch, purpose, int(graph)))).random(count)
            for graph, count in zip(graph_ids, counts, strict=True)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)
