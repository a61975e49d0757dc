"""SDC: constraints of a design, read by a small word splitter with its own table of commands; never Tcl."""

from circuitgraph.formats.sdc.reader import read_sdc

__all__ = ["read_sdc"]
