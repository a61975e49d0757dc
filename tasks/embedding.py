"""``circuitgraph embed``: a circuit's embedding as safetensors, with a table of its rows."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from circuitgraph.checks import check
from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError, Notes
from circuitgraph.files import atomic_path, check_writable, hash_file, write_atomic
from circuitgraph.views.view import View


def embed_file(options: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """Embed one file; writes ``X.safetensors`` and ``X.nodes.tsv``.

    Raises:
        CircuitError: the file, the checkpoint or the output is wrong, or there is a loop.
    """
    output = Path(options.output)
    if output.suffix != ".safetensors":
        raise CircuitError(
            "-o", repr(str(output)), "must end in .safetensors", f"try {output.with_suffix('.safetensors')}"
        )
    names = output.with_suffix(".nodes.tsv")
    check_writable(output)
    check_writable(names)
    circuit, library = read_circuit(options)
    import torch

    from circuitgraph.pyg import blocks_of, to_data
    from encoders.checkpoint import load_encoder, paths_of
    from encoders.encoder import Schema

    path = model_path(options.model, options.view or "logic")
    encoder, about = load_encoder(path)
    notes = Notes()
    notes.extend(circuit.notes)
    view = make_view(circuit, library, options.view or encoder.schema.view, options.break_loops, notes)
    data = to_data(view)
    if Schema.of(data) != encoder.schema:
        raise CircuitError(
            path.name,
            "encoder",
            f"was made for the {encoder.schema.view} view, not for this {view.kind} view",
            "give --view or --model",
        )
    blocks = blocks_of(data, options.block_size) if options.block_size is not None else None
    with torch.no_grad():
        found = encoder(data, blocks)
    weights = hash_file(paths_of(path)[0])
    metadata = {
        "circuit_hash": circuit.content_hash,
        "encoder": str(about["encoder"]),
        "view": view.kind,
        "checkpoint": weights,
    }
    from safetensors.torch import save_file

    with atomic_path(output) as temporary:
        save_file({"nodes": found.nodes.contiguous(), "graph": found.graphs.contiguous()}, temporary, metadata=metadata)
    write_atomic(names, node_table(view, circuit))
    failed = check(circuit)
    for line in [*notes.lines(), *(f"check {row.name}: {row.count:,} ({', '.join(row.examples)})" for row in failed)]:
        say(line)
    shape = list(found.nodes.shape)
    text = f"{output}: {shape[0]:,} nodes x {shape[1]} from {about['encoder']} ({path.name}), rows in {names.name}"
    return {"file": str(output), "nodes": shape, "table": str(names), **metadata, "text": text}


def read_circuit(options: argparse.Namespace) -> tuple[Circuit, Any]:
    """The circuit of a file as the options say, and its library or None.

    An unknown cell type is an opaque kind here, and counted: the fault table of the design.
    """
    from circuitgraph.formats import read
    from circuitgraph.formats.detect import detect

    row = detect(options.file)
    if row.gives != "circuit":
        raise CircuitError(
            Path(options.file).name, f"format {row.name!r}", "holds no circuit", "give a netlist or an AIG"
        )
    library = None
    if options.liberty:
        from circuitgraph.library import Library

        library = Library.merged([read(path, format="liberty") for path in options.liberty])
    if row.name == "verilog":
        return read(options.file, library=library, top=options.top), library
    return read(options.file), library


def make_view(circuit: Circuit, library: Any, kind: str, break_loops: bool, notes: Notes) -> View:
    """The view *kind* of a circuit; what it cuts is counted in *notes*."""
    if kind == "timing":
        from circuitgraph.views import timing_view

        return timing_view(circuit, library, break_loops=break_loops, notes=notes)
    from circuitgraph.views import logic_view

    return logic_view(circuit, break_loops=break_loops)


def model_path(given: str | None, view: str) -> Path:
    """The checkpoint that was named, or the shipped one for a view.

    Raises:
        CircuitError: no checkpoint is named and none is shipped.
    """
    if given:
        return Path(given)
    from circuitgraph.corpus import shipped_folder

    path = shipped_folder() / "models" / f"{view}.safetensors"
    if not path.is_file():
        raise CircuitError(str(path), "shipped encoder", f"of the {view} view is not here", "give --model CHECKPOINT")
    return path


def node_table(view: Any, circuit: Any) -> str:
    """``row kind name``, one a node."""
    from circuitgraph.views.view import node_kinds

    kinds = node_kinds()
    rows = ["row\tkind\tname"]
    for node in range(view.num_nodes):
        if view.port[node] >= 0:
            name = circuit.port_names.text(int(view.port[node]))
        elif view.pin[node] >= 0:
            name = circuit.pin_text(int(view.pin[node]))
        elif view.cell[node] >= 0:
            name = circuit.cell_names.text(int(view.cell[node]))
        else:
            name = circuit.net_names.text(int(view.net[node]))
        rows.append(f"{node}\t{kinds[view.node_kind[node]]}\t{name}")
    return "\n".join(rows) + "\n"
