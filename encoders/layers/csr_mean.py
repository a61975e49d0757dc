"""The mean along a CSR under its first name; it lives in :mod:`encoders.layers.aggregate`."""

from __future__ import annotations

from encoders.layers.aggregate import MeanGraph, csr_mean, plain_mean

__all__ = ["MeanGraph", "csr_mean", "plain_mean"]
