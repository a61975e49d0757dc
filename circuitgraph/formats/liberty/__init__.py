"""Liberty (NLDM): cell types, timing arcs and tables of a standard-cell library."""

from circuitgraph.formats.liberty.reader import read_liberty

__all__ = ["read_liberty"]
