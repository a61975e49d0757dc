"""circuitgraph: circuits in, graphs, exact arithmetic and PyG data out.

>>> import circuitgraph as cg
>>> from circuitgraph.cell_types import gate_type
>>> builder = cg.CircuitBuilder("inverter")
>>> a = builder.input("a")
>>> _ = builder.cell("u1", gate_type("NOT", 1), [a, builder.net("y")])
>>> _ = builder.output("y", builder.net("y"))
>>> cg.views.logic_view(builder.build())
View(inverter, logic: 3 nodes, 2 edges, 3 levels, 8 features)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_LAZY = {
    "Circuit": "circuitgraph.circuit",
    "CircuitBuilder": "circuitgraph.circuit",
    "CircuitError": "circuitgraph.errors",
    "Library": "circuitgraph.library",
    "read": "circuitgraph.formats",
    "write": "circuitgraph.formats",
}
_MODULES = {"analysis", "checks", "corpus", "formats", "partition", "pyg", "rtl", "views"}

if TYPE_CHECKING:
    from circuitgraph.circuit import Circuit, CircuitBuilder
    from circuitgraph.errors import CircuitError
    from circuitgraph.formats import read, write
    from circuitgraph.library import Library


def __getattr__(name: str) -> Any:
    """Import what is asked for, and nothing before."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name in _MODULES:
        return import_module(f"circuitgraph.{name}")
    raise AttributeError(f"module 'circuitgraph' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_LAZY, *_MODULES, "__version__"])


__all__ = ["Circuit", "CircuitBuilder", "CircuitError", "Library", "__version__", "read", "write"]
