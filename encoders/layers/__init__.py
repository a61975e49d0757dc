"""Layers that encoders share: aggregation along CSRs, levelised sweeps, bounded linear maps, the stem; their kernels."""
