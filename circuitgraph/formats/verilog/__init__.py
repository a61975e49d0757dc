"""Structural Verilog: reader and writer."""

from circuitgraph.formats.verilog.reader import read_verilog
from circuitgraph.formats.verilog.writer import write_verilog

__all__ = ["read_verilog", "write_verilog"]
