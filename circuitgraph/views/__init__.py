"""Views: a circuit as a graph of gates, of pins, of devices; networkx in and out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_LAZY = {
    "View": "circuitgraph.views.view",
    "logic_view": "circuitgraph.views.logic",
    "timing_view": "circuitgraph.views.timing",
    "to_networkx": "circuitgraph.views.exchange",
    "from_networkx": "circuitgraph.views.exchange",
}

if TYPE_CHECKING:
    from circuitgraph.views.exchange import from_networkx, to_networkx
    from circuitgraph.views.logic import logic_view
    from circuitgraph.views.timing import timing_view
    from circuitgraph.views.view import View

VIEWS = {"logic": "circuitgraph.views.logic:logic_view", "timing": "circuitgraph.views.timing:timing_view"}
"""Views by name; "module:function"."""


def __getattr__(name: str) -> Any:
    """Import a view when it is asked for."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'circuitgraph.views' has no attribute {name!r}")


__all__ = ["VIEWS", "View", "from_networkx", "logic_view", "timing_view", "to_networkx"]
