"""Placed designs with parasitics that the tests share: of the repository's own corpus, and of the public data."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from circuitgraph.analysis.sta_prepare import prepare
from circuitgraph.formats.sdc import read_sdc
from tasks.task import Example
from tasks.timing.designs import DesignFiles, design_example, library_of, technology_of
from tasks.timing.inputs import TimingInputs, read_placement
from tests.subjects import permuted

DATA = Path(__file__).resolve().parents[3] / "data"
FAMILIES = {"arbiter_8": "control", "barrel_shift_32": "shifter", "crc_parallel_32": "crc"}


def files(name: str) -> DesignFiles:
    stem = DATA / "timing" / name / name
    return DesignFiles(
        design=name,
        family=FAMILIES[name],
        split="train",
        netlist=Path(f"{stem}.v"),
        sdc=Path(f"{stem}.sdc"),
        spef=Path(f"{stem}.spef.xz"),
        placement=Path(f"{stem}.def.xz"),
        liberty=(DATA / "library" / "cgl_typ.lib",),
        lef=(DATA / "library" / "cgl.lef",),
    )


@cache
def example(name: str = "arbiter_8") -> Example:
    return design_example(files(name))


def fresh(name: str = "arbiter_8") -> Example:
    """The same design with nothing computed yet."""
    one = example(name)
    inputs, labels = one.inputs, one.labels
    return replace(one, inputs=replace(inputs, view_cache={}), labels=replace(labels, cache={}))


def moved(name: str, seed: int) -> TimingInputs:
    """The design with cells, nets and ports of types in another order."""
    of, inputs = files(name), example(name).inputs
    library = library_of(of.liberty)
    circuit = permuted(inputs.circuit, seed)
    prepared = prepare(circuit, library, read_sdc(of.sdc, circuit, library))
    assert of.placement is not None
    layout, _ = read_placement(of.placement, circuit, technology_of(of.lef))
    return TimingInputs(inputs.name, prepared, layout=layout)


def public(shared_data: Callable[[str], Path], folder: Path, name: str, library: str) -> Example:
    """A routed design of the public data, unpacked into *folder*."""
    data = shared_data("timing")
    with tarfile.open(data / "designs" / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    own, lib = folder / name, data / "lib"
    found = DesignFiles(
        design=name,
        family=name,
        split="test",
        netlist=own / f"{name}.v",
        sdc=own / f"{name}.sdc",
        spef=own / f"{name}.spef",
        placement=own / f"{name}.def",
        liberty=(next(lib.glob(f"{library}*.lib.xz")),),
        lef=(next(lib.glob(f"{library.split('_')[0]}*.lef.xz")),),
        black_box=True,
        break_loops=True,
    )
    return design_example(found)
