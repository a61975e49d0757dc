"""Arrays computed from a circuit of a corpus, kept in its cache: what is costly is computed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.corpus import Corpus, Entry
from circuitgraph.errors import CircuitError
from circuitgraph.files import atomic_path, hash_bytes

Arrays = Mapping[str, npt.NDArray[np.generic]]


def derived(corpus: Corpus, entry: Entry, name: str, version: int, make: Callable[[], Arrays]) -> Arrays:
    """What *make* gives for a circuit, from the cache where it is there and whole.

    Args:
        name, version: of the computation with its options; another version never reads what this one wrote.
        make: computes the arrays.

    Returns:
        Arrays by name. A damaged file is told in ``corpus.lines`` and made again.
    """
    if corpus.cache is None:
        return make()
    key = hash_bytes(f"{name}\x1f{version}".encode(), corpus.key(entry, "logic").encode())
    path = corpus.cache / f"{key}.safetensors"
    if path.is_file():
        try:
            return _load(path)
        except CircuitError as error:
            corpus.lines.append(f"{error}; it is made again")
    from safetensors import SafetensorError

    found = {key: np.ascontiguousarray(value) for key, value in make().items()}
    try:
        _save(found, path)
    except (OSError, ValueError, CircuitError, SafetensorError) as error:
        corpus.lines.append(f"{error}; going on without the cache (CIRCUITGRAPH_CACHE names another folder)")
    return found


def _save(arrays: Arrays, path: Path) -> None:
    from safetensors.numpy import save_file

    with atomic_path(path) as temporary:
        save_file(dict(arrays), temporary, metadata={"kind": "derived"})


def _load(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            if (file.metadata() or {}).get("kind") != "derived":
                raise ValueError("no derived arrays")
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise CircuitError(path.name, "cached arrays", f"are damaged or foreign ({error})", "delete it") from None
