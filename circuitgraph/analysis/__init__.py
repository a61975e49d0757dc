"""Exact arithmetic: levels, simulation, probabilities, static timing analysis, wires."""
