"""A hint to the processor that a row of a matrix is read soon: what makes reading rows in any order bearable."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from circuitgraph.kernels import compiled

LINE = 64
"""Bytes of a cache line."""


@intrinsic  # type: ignore[untyped-decorator]
def _prefetch(typing: Any, matrix: Any, row: Any, column: Any) -> Any:
    """LLVM's prefetch of one element's cache line, for reading, into every level of the cache."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        array = context.make_array(kind)(context, builder, arguments[0])
        place = cgutils.get_item_pointer(context, builder, kind, array, list(arguments[1:]), wraparound=False)
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        hint = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch.p0")
        builder.call(hint, [builder.bitcast(place, byte), number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(matrix, row, column), generate


@compiled([f"void(float{bits}[:, ::1], int64)" for bits in (32, 64)], inline="always")
def prefetch_row(matrix: Any, row: Any) -> None:
    """Hint that a row of a matrix, C-contiguous, float32 or float64, is read soon; the row must exist."""
    for column in range(0, matrix.shape[1], LINE // matrix.itemsize):
        _prefetch(matrix, row, column)
