"""What several processes hold, as one tensor, and means over them; gradients go back to where the rows came from."""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def gathered(rows: Tensor) -> Tensor:
    """Rows of all processes, in an order that is the same everywhere and at any number of processes.

    With one process it is *rows*. With w, row i of rank r lands at i * w + r, which undoes the loader's share
    ``[r::w]``. Ranks may hold different numbers of rows.

    Where no gradient is recorded (validation) every process measures alone.

    Args:
        rows: [M, d] of this process.

    Returns:
        [sum of M, d].
    """
    alone = not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1
    if alone or not torch.is_grad_enabled():
        return rows
    from torch.distributed.nn.functional import all_gather

    world = distributed.get_world_size()
    counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(world)]
    distributed.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    sizes = [int(count) for count in counts]
    most = max(sizes)
    padded = torch.cat([rows, rows.new_zeros(most - len(rows), rows.size(1))]) if len(rows) < most else rows
    parts = all_gather(padded.contiguous())
    place = [(row, rank) for rank, size in enumerate(sizes) for row in range(size)]
    order = sorted(range(len(place)), key=lambda at: place[at])
    together = torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
    found: Tensor = together.index_select(0, torch.tensor(order, device=rows.device))
    return found


def reweighed(graphs: float, weighed_by: float, is_idle: bool) -> float:
    """Factor of a mean over *graphs* graphs where training weighs this process by *weighed_by* graphs instead; 1 alone.

    With it the mean over processes of a loss of two means, over different graphs each, is what one process computes.

    Args:
        graphs: that the mean was taken over here.
        weighed_by: the objective's metric ``graphs`` here.
        is_idle: the batch is another process's and counts for nothing.
    """
    alone = not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1
    if alone or not torch.is_grad_enabled():
        return 1.0
    total = torch.zeros(2, dtype=torch.float64) if is_idle else torch.tensor([graphs, weighed_by], dtype=torch.float64)
    distributed.all_reduce(total)
    mine = weighed_by * float(total[0])
    return graphs * float(total[1]) / mine if mine else 1.0
