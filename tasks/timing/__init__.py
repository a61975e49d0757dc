"""Timing: arrival, slew and slack of every pin, from wires that are extracted, learned, guessed by fan-out, or none."""
