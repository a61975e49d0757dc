"""numba, imported when the first kernel is needed, with a cache where one can be written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def compiled(signature: str | list[str], **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that compiles a kernel for one signature, releases the GIL and caches the machine code.

    Where neither the package folder nor ``NUMBA_CACHE_DIR`` nor the user's cache folder can be written,
    the kernel is compiled without a cache.
    """
    _set_cache_folder()
    import numba

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            made = numba.njit(signature, cache=True, nogil=True, **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            made = numba.njit(signature, nogil=True, **options)(function)
        kernel: Callable[..., Any] = made
        return kernel

    return decorate


def _set_cache_folder() -> None:
    """Point numba at the user's cache folder when the package folder cannot be written."""
    if "NUMBA_CACHE_DIR" in os.environ or os.access(Path(__file__).parent, os.W_OK):
        return
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    os.environ["NUMBA_CACHE_DIR"] = str(Path(home) / "circuitgraph" / "numba")
