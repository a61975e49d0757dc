"""The label factory: designs made from RTL with estimated wires, and routed designs imported with real ones."""
