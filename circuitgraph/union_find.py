"""Sets of rows that are one: what merges aliases of nets."""

from __future__ import annotations


def find_root(root: dict[int, int], row: int) -> int:
    """Representative of a row; the path to it is shortened on the way.

    Args:
        root: row -> a row of the same set; a row that is not in it stands for itself.

    >>> root = {3: 2, 2: 1}
    >>> find_root(root, 3), root[3]
    (1, 1)
    """
    at = row
    while (above := root.get(at, at)) != at:
        at = above
    while (above := root.get(row, row)) != row:
        root[row] = at
        row = above
    return at
