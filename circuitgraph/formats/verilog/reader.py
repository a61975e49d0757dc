"""Read structural Verilog."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, overload

from circuitgraph.circuit import Circuit
from circuitgraph.design import Design
from circuitgraph.files import Source, name_of, read_bytes
from circuitgraph.formats.lexing import SourceText
from circuitgraph.formats.verilog.link import Linker, TypeSource
from circuitgraph.formats.verilog.parser import parse

FAST_FROM = 2 << 20


@overload
def read_verilog(
    source: Source,
    *,
    top: str | None = None,
    library: TypeSource | None = None,
    black_box: bool = True,
    flatten: Literal[True] = True,
    leaf_modules: Collection[str] = (),
    strict: bool = False,
) -> Circuit: ...


@overload
def read_verilog(
    source: Source,
    *,
    top: str | None = None,
    library: TypeSource | None = None,
    black_box: bool = True,
    flatten: Literal[False],
    leaf_modules: Collection[str] = (),
    strict: bool = False,
) -> Design: ...


def read_verilog(
    source: Source,
    *,
    top: str | None = None,
    library: TypeSource | None = None,
    black_box: bool = True,
    flatten: bool = True,
    leaf_modules: Collection[str] = (),
    strict: bool = False,
) -> Circuit | Design:
    """A gate-level netlist as a Circuit, or as a Design of its modules.

    ``assign a = b`` merges nets (the other names stay findable), an operator in an assign is one cell a bit, a
    literal is one constant net a value, ``z`` and an open connection are -1.

    Args:
        source: path or binary stream; plain, gzip, xz or zstd.
        top: name of the top module; needed where several modules are instantiated by nothing.
        library: gives cell types, with ``cell_type(name)``; a library's type goes before a module of the file.
        black_box: False: a cell type that neither the library nor the file knows is an error.
        flatten: False gives the modules, not flattened.
        leaf_modules: names of modules to keep as opaque cell types.
        strict: True: a connection of another width than its port is an error, not a note.

    Raises:
        CircuitError: the text is no structural Verilog, or breaks one of its rules; the place is file:line:column.

    Source: IEEE 1364-2005, the subset that netlist writers use.
    """
    data = read_bytes(source)
    name = name_of(source)
    design = read_design(data, name, library, black_box, leaf_modules, strict)
    if flatten:
        return design.flatten(top)
    if top is not None or len(design.tops) == 1:
        design.top(top)
    return design


def read_design(
    data: bytes,
    name: str,
    library: TypeSource | None,
    black_box: bool,
    leaf_modules: Collection[str],
    strict: bool,
) -> Design:
    """The modules of a file's bytes, linked."""
    if len(data) >= FAST_FROM:
        from circuitgraph.formats.verilog.fast import parse_fast

        found = parse_fast(data, name)
        if found is not None:
            return Linker(*found, library, black_box, leaf_modules, strict).design(name)
    modules, names, tokens = parse(SourceText.of(data, name))
    return Linker(modules, names, tokens, library, black_box, leaf_modules, strict).design(name)
