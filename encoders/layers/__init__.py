"""Layers that encoders share: CSR means, levelised sweeps, bounded linear maps, the stem."""
