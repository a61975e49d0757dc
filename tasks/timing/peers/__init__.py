"""The published timing models as Models of this framework: what a learned row of the timing table stands against.

All read a placed design as a heterograph of pins (:mod:`tasks.timing.peers.pin_graph`) and predict arrival and slew of
every pin; slack follows from these by the engine's own checks (:mod:`tasks.timing.peers.slacks`).
"""
