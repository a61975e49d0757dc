"""The files of routed designs among folders: runs of a flow, folders that hold one design, blocks with a GDS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from circuitgraph.errors import CircuitError
from tasks.timing.run_folder import MOST_FILES, PACKED, find_run, kind_of, rank

GDS = (".gds", ".gds.gz")


@dataclass(frozen=True)
class RoutedFiles:
    """Files of one design; None where there is none. A placement is a DEF, else a GDS with the block's LEF.

    | field | meaning |
    |---|---|
    | folder | where they were found |
    | netlist, placement, gds, block_lef, spef, sdc | paths |
    """

    folder: Path
    spef: Path
    netlist: Path | None = None
    placement: Path | None = None
    gds: Path | None = None
    block_lef: Path | None = None
    sdc: Path | None = None

    def paths(self) -> list[Path]:
        """All files, in a fixed order."""
        given = (self.netlist, self.placement, self.gds, self.block_lef, self.spef, self.sdc)
        return [path for path in given if path is not None]


def routed_folders(inputs: Sequence[str | Path]) -> list[Path]:
    """Folders of one design each: those below an input that hold parasitics beside a netlist or a layout, else itself.

    Raises:
        CircuitError: an input is no folder, or holds too many files.
    """
    found: list[Path] = []
    for given in map(Path, inputs):
        if not given.is_dir():
            raise CircuitError(str(given), "input", "is no folder", "name the folder of a routed design, or of several")
        own = sorted(_complete(given))
        found += own or [given]
    return list(dict.fromkeys(path.resolve() for path in found))


def _complete(top: Path) -> Iterator[Path]:
    """Folders at or below *top* that directly hold parasitics and a netlist or a layout."""
    kinds: dict[Path, set[str]] = {}
    for number, path in enumerate(top.rglob("*")):
        if number > MOST_FILES:
            rule = f"holds more than {MOST_FILES:,} files"
            raise CircuitError(str(top), "folder", rule, "name the folders of the designs")
        kind = "gds" if path.name.lower().endswith(GDS) else kind_of(path)
        if kind:
            kinds.setdefault(path.parent, set()).add(kind)
    return (folder for folder, own in kinds.items() if "spef" in own and own & {"netlist", "placement", "gds"})


def routed_files(folder: Path) -> RoutedFiles:
    """The files of the design in a folder.

    Raises:
        CircuitError: there are no parasitics, or neither a netlist nor a DEF, or no placement.
    """
    try:
        taken = find_run(folder).files
    except CircuitError:
        taken = {}
    every = sorted(path for path in folder.rglob("*") if path.is_file())
    for kind in ("placement", "spef", "sdc"):
        own = [path for path in every if kind_of(path) == kind]
        if kind not in taken and own:
            taken[kind] = [max(own, key=lambda path: rank(path, kind, folder))]
    spef = taken.get("spef", [None])[0]
    netlist = taken.get("netlist", [None])[0]
    placement = taken.get("placement", [None])[0]
    gds = next((path for path in every if path.name.lower().endswith(GDS)), None)
    if spef is None:
        raise CircuitError(str(folder), "folder", "holds no parasitics (.spef)", "name the folder of a routed design")
    if placement is None and (gds is None or netlist is None):
        rule = "holds no placement: neither a DEF, nor a GDS beside a netlist"
        raise CircuitError(str(folder), "folder", rule, "add the DEF of the routed design")
    lefs = [path for path in every if kind_of(path) == "lef"]
    block = next((path for path in lefs if netlist is not None and _stem(path) == _stem(netlist)), None)
    sdc = taken.get("sdc", [None])[0]
    return RoutedFiles(folder, spef, netlist, placement, gds if placement is None else None, block, sdc)


def _stem(path: Path) -> str:
    name = path.name
    for suffix in PACKED:
        name = name.removesuffix(suffix)
    return name.partition(".")[0]
