"""Rows of a CSR shared between threads: kernels release the lock, and each row is filled by one thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch

WORTH = 4_000_000
"""Values read below which a second thread costs more than it gives (about 1 ms of work)."""


def share_rows(
    work: Callable[[int, int], object], ptr: npt.NDArray[np.int64], start: int, stop: int, width: int
) -> None:
    """Call *work* (start, stop) on consecutive ranges of rows, on ``torch.get_num_threads()`` threads at most.

    Ranges hold about as many entries each; *work* must fill each row from what it does not write.

    Args:
        ptr: pointer of the CSR, [R + 1].
        start, stop: rows in all.
        width: values an entry.
    """
    entries = int(ptr[stop] - ptr[start]) + stop - start
    threads = min(torch.get_num_threads(), entries * width // WORTH + 1)
    if threads < 2:
        work(start, stop)
        return
    goals = ptr[start] + (ptr[stop] - ptr[start]) * np.arange(1, threads) // threads
    cuts = [start, *(start + np.searchsorted(ptr[start : stop + 1], goals)).clip(max=stop).tolist(), stop]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, cuts[:-1], cuts[1:]))
