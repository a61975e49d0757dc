"""Structural Verilog: reader and writer."""

from circuitgraph.formats.verilog.reader import read_verilog

__all__ = ["read_verilog"]
