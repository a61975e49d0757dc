"""Flattening: from the modules of a Design to the columns of one Circuit.

Python loops run over modules and blocks; cells, pins, nets and names are gathered by array operations a module.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import CellType, Circuit, NetRole, Role
from circuitgraph.design import CONSTANT_NAMES, Design
from circuitgraph.names import NO_BIT, NameTable
from circuitgraph.union_find import find_root

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.int8]


class Flattening:
    """Blocks of one top, and the columns that they add up to."""

    def __init__(self, design: Design, top: str) -> None:
        self.design = design
        self.top = design.modules[top]
        self.names = design.order(top)
        self.modules = [design.modules[name] for name in self.names]
        row = {name: index for index, name in enumerate(self.names)}
        self.types: list[CellType] = []
        child = np.full(len(design.masters), -1, np.int64)
        for index, master in enumerate(design.masters):
            if isinstance(master, str):
                child[index] = row.get(master, -1)
        self.child_of_master = child

    def circuit(self) -> Circuit:
        """The flat circuit."""
        block_module, block_parent, block_cell = self.blocks()
        nets = np.array([len(module.net_constant) for module in self.modules], np.int64)
        offset = np.zeros(len(block_module) + 1, np.int64)
        np.cumsum(nets[block_module], out=offset[1:])
        net_row, kept, constant, role = self.merge_nets(block_module, block_parent, block_cell, offset)
        blocks = self.block_names(block_module, block_parent, block_cell)
        cell_type, pin_start, pin_net, cell_names, cell_block = self.cells(block_module, offset, net_row, blocks)
        net_names = self.net_names(block_module, offset, kept, constant, role, blocks)
        literal_rows = np.flatnonzero((constant >= 0) & (role == 0))
        alias_names, alias_net = self.aliases(block_module, offset, net_row, kept, literal_rows, blocks)
        top = self.top
        port_net = _through(net_row, top.port_net, 0)
        types = tuple(self.types)
        flat = len(block_module) == 1
        role = _supply_nets(types, cell_type, pin_start, pin_net, role)
        return Circuit(
            name=top.name,
            types=types,
            cell_type=cell_type,
            pin_start=pin_start,
            pin_net=pin_net,
            port_net=port_net,
            port_direction=top.port_direction,
            port_names=top.port_names,
            net_constant=constant,
            net_role=role,
            cell_names=cell_names,
            net_names=net_names,
            cell_block=None if flat else cell_block,
            block_parent=(block_parent[1:] - 1).astype(np.int32),
            block_type=(block_module[1:] - 1).astype(np.int32),
            block_types=() if flat else tuple(self.names[1:]),
            block_names=NameTable.unnamed(0) if blocks is None else blocks,
            alias_names=alias_names,
            alias_net=alias_net,
            buses=top.buses,
            notes=self.design.notes,
            place=self.design.place,
            format=self.design.format,
        )

    def blocks(self) -> tuple[LongArray, LongArray, LongArray]:
        """Module, parent block and row in the parent of each block, the top first, depth first."""
        children: list[list[tuple[int, int]]] = []
        for module in self.modules:
            masters = self.child_of_master[module.cell_master] if len(module.cell_master) else np.zeros(0, np.int64)
            rows = np.flatnonzero(masters >= 0)
            children.append(list(zip(rows.tolist(), masters[rows].tolist(), strict=True)))
        module_of, parent_of, cell_of = [0], [-1], [-1]
        stack = [(0, iter(children[0]))]
        while stack:
            block, rest = stack[-1]
            found = next(rest, None)
            if found is None:
                stack.pop()
                continue
            cell, child = found
            module_of.append(child)
            parent_of.append(block)
            cell_of.append(cell)
            if children[child]:
                stack.append((len(module_of) - 1, iter(children[child])))
        return np.array(module_of, np.int64), np.array(parent_of, np.int64), np.array(cell_of, np.int64)

    def merge_nets(
        self, block_module: LongArray, block_parent: LongArray, block_cell: LongArray, offset: LongArray
    ) -> tuple[LongArray, LongArray, ByteArray, ByteArray]:
        """Join the nets of blocks through their ports.

        Returns:
            Net of every module net of every block; the module net that names each net; constants; roles.
        """
        total = int(offset[-1])
        constant = np.full(total, -1, np.int8)
        role = np.zeros(total, np.int8)
        for index, module in enumerate(self.modules):
            at = offset[:-1][block_module == index]
            rows = np.flatnonzero((module.net_constant >= 0) | (module.net_role != 0))
            if len(rows):
                where = (at[:, None] + rows).ravel()
                constant[where] = np.tile(module.net_constant[rows], len(at))
                role[where] = np.tile(module.net_role[rows], len(at))
        root = np.arange(total, dtype=np.int64)
        if len(block_module) > 1:
            one, other = self.port_pairs(block_module, block_parent, block_cell, offset)
            root = components(total, one, other)
        tied = np.flatnonzero(constant >= 0)
        value = np.full(total, -1, np.int8)
        clash = np.zeros(total, np.bool_)
        for level in (0, 1, 2):
            rows = root[tied[constant[tied] == level]]
            clash[rows[value[rows] >= 0]] = True
            value[rows] = level
        if clash.any():
            self.design.notes.add("net tied to 0 and to 1: unknown", times=int(clash.sum()))
            value[clash] = 2
        named = np.flatnonzero(role)
        class_role = np.zeros(total, np.int8)
        class_role[root[named]] = role[named]
        for level in (0, 1, 2):
            same = np.flatnonzero((value == level) & (class_role == 0) & (root == np.arange(total)))
            if len(same) > 1:
                moved = np.arange(total)
                moved[same] = same[0]
                root = moved[root]
        kept = np.flatnonzero(root == np.arange(total))
        row = np.zeros(total, np.int64)
        row[kept] = np.arange(len(kept))
        return row[root], kept, value[kept], class_role[kept]

    def port_pairs(
        self, block_module: LongArray, block_parent: LongArray, block_cell: LongArray, offset: LongArray
    ) -> tuple[LongArray, LongArray]:
        """Pairs of module nets that a block's ports join, as rows of all nets of all blocks."""
        ones: list[LongArray] = []
        others: list[LongArray] = []
        starts = [module.pin_start for module in self.modules]
        for block in range(1, len(block_module)):
            parent = int(block_parent[block])
            outer = self.modules[block_module[parent]]
            inner = self.modules[block_module[block]]
            start = starts[block_module[parent]][block_cell[block]]
            pins = outer.pin_net[start : start + len(inner.port_net)]
            joined = (pins >= 0) & (inner.port_net >= 0)
            ones.append(pins[joined] + offset[parent])
            others.append(inner.port_net[joined] + offset[block])
        return np.concatenate(ones), np.concatenate(others)

    def block_names(self, block_module: LongArray, block_parent: LongArray, block_cell: LongArray) -> NameTable | None:
        """Names of the blocks below the top, each with its parent block."""
        if len(block_module) == 1:
            return None
        bases = []
        bits = []
        for block in range(1, len(block_module)):
            names = self.modules[block_module[block_parent[block]]].cell_names
            bases.append(names.base(int(block_cell[block])))
            bits.append(names.bit_of(int(block_cell[block])))
        table = NameTable.of(bases, bits, prefix="$b")
        parent = (block_parent[1:] - 1).astype(np.int32)
        bare = NameTable(table.blob, table.start, table.bit, parent, None, "$b")
        return NameTable(table.blob, table.start, table.bit, parent, bare, "$b")

    def cells(
        self, block_module: LongArray, offset: LongArray, net_row: LongArray, blocks: NameTable | None
    ) -> tuple[IntArray, LongArray, IntArray, NameTable, IntArray]:
        """Columns of the leaf cells of all blocks."""
        leaves = [np.flatnonzero(self.child_of_master[module.cell_master] < 0) for module in self.modules]
        seen: dict[int, int] = {}
        for module, rows in zip(self.modules, leaves, strict=True):
            masters, first = np.unique(module.cell_master[rows], return_index=True)
            for master in masters[np.argsort(first)].tolist():
                seen.setdefault(master, len(seen))
        self.types = [self.design.masters[master] for master in seen]  # type: ignore[misc]
        type_row = np.full(len(self.design.masters) + 1, -1, np.int32)
        type_row[list(seen)] = list(seen.values())
        arity = np.array([len(cell_type.ports) for cell_type in self.types], np.int64)
        if len(block_module) == 1:
            module = self.modules[0]
            pins = module.pin_net if len(net_row) == 0 else _through(net_row, module.pin_net, 0)
            cell_type = type_row[module.cell_master].astype(np.int32)
            return cell_type, module.pin_start, pins, module.cell_names, np.zeros(0, np.int32)
        counts = np.array([len(rows) for rows in leaves], np.int64)
        cell_at = np.zeros(len(block_module) + 1, np.int64)
        np.cumsum(counts[block_module], out=cell_at[1:])
        total = int(cell_at[-1])
        cell_type = np.zeros(total, np.int32)
        local = np.zeros(total, np.int64)
        block_of = np.repeat(np.arange(len(block_module)), counts[block_module])
        for index, (module, rows) in enumerate(zip(self.modules, leaves, strict=True)):
            where = (cell_at[:-1][block_module == index][:, None] + np.arange(len(rows))).ravel()
            times = int(np.count_nonzero(block_module == index))
            cell_type[where] = np.tile(type_row[module.cell_master[rows]], times)
            local[where] = np.tile(rows, times)
        pin_start = np.zeros(total + 1, np.int64)
        if total:
            np.cumsum(arity[cell_type], out=pin_start[1:])
        pin_net = np.full(int(pin_start[-1]), -1, np.int32)
        for index, (module, rows) in enumerate(zip(self.modules, leaves, strict=True)):
            owners = np.flatnonzero(block_module == index)
            spans = arity[type_row[module.cell_master[rows]]] if len(rows) else np.zeros(0, np.int64)
            pins = np.repeat(module.pin_start[rows], spans) + _within(spans)
            nets = module.pin_net[pins]
            if not len(nets):
                continue
            first = pin_start[cell_at[owners]]
            flat = _through(net_row, np.tile(nets, len(owners)), np.repeat(offset[owners], len(nets)))
            pin_net[(first[:, None] + np.arange(len(nets))).ravel()] = flat
        tables = [module.cell_names for module in self.modules]
        names = _gathered(tables, block_module[block_of], local, block_of - 1, blocks, "$c")
        return cell_type, pin_start, pin_net, names, (block_of - 1).astype(np.int32)

    def net_names(
        self,
        block_module: LongArray,
        offset: LongArray,
        kept: LongArray,
        constant: ByteArray,
        role: ByteArray,
        blocks: NameTable | None,
    ) -> NameTable:
        """Names of the nets: of the outermost block that has each; literals go by their value."""
        if len(block_module) == 1 and len(kept) == len(self.top.net_constant):
            return self.top.net_names
        block_of = np.searchsorted(offset, kept, side="right") - 1
        tables = [module.net_names for module in self.modules]
        names = _gathered(tables, block_module[block_of], kept - offset[block_of], block_of - 1, blocks, "$n")
        literal = np.flatnonzero((constant >= 0) & (role == 0))
        if not len(literal) or blocks is None:
            return names
        bases = [names.base(int(row)) for row in range(len(names))]
        for row in literal:
            bases[row] = CONSTANT_NAMES[constant[row]]
        bit = np.full(len(names), NO_BIT, np.int32) if names.bit is None else names.bit.copy()
        block = np.full(len(names), -1, np.int32) if names.block is None else names.block.copy()
        bit[literal] = NO_BIT
        block[literal] = -1
        return NameTable.of(bases, bit, block, blocks)

    def aliases(
        self,
        block_module: LongArray,
        offset: LongArray,
        net_row: LongArray,
        kept: LongArray,
        literal_rows: LongArray,
        blocks: NameTable | None,
    ) -> tuple[NameTable, IntArray]:
        """Other names of the nets: aliases of the modules, and nets that ports joined to an outer one."""
        if len(block_module) == 1 and len(kept) == len(self.top.net_constant):
            return self.top.alias_names, self.top.alias_net
        module_rows: list[LongArray] = []
        locals_: list[LongArray] = []
        block_rows: list[LongArray] = []
        nets: list[LongArray] = []
        modules = len(self.modules)
        for index, module in enumerate(self.modules):
            owners = np.flatnonzero(block_module == index)
            count = len(module.alias_net)
            if count:
                block_rows.append(np.repeat(owners, count))
                module_rows.append(np.full(count * len(owners), index + modules))
                locals_.append(np.tile(np.arange(count), len(owners)))
                nets.append(net_row[(offset[owners][:, None] + module.alias_net).ravel()])
        every = np.arange(len(net_row))
        lost = np.ones(len(net_row), np.bool_)
        lost[kept] = False
        lost[kept[literal_rows]] = True
        rows = every[lost]
        block_of = np.searchsorted(offset, rows, side="right") - 1
        inner = rows - offset[block_of]
        literal = [(module.net_constant >= 0) & (module.net_role == 0) for module in self.modules]
        starts = np.cumsum([0, *(len(mask) for mask in literal)])
        is_literal = np.concatenate(literal)[starts[block_module[block_of]] + inner]
        rows, block_of, inner = rows[~is_literal], block_of[~is_literal], inner[~is_literal]
        block_rows.append(block_of)
        module_rows.append(block_module[block_of])
        locals_.append(inner)
        nets.append(net_row[rows])
        owner = np.concatenate(block_rows)
        order = np.argsort(owner, kind="stable")
        owner = owner[order]
        tables = [module.net_names for module in self.modules] + [module.alias_names for module in self.modules]
        table = _gathered(
            tables, np.concatenate(module_rows)[order], np.concatenate(locals_)[order], owner - 1, blocks, "$a"
        )
        net = np.concatenate(nets)[order].astype(np.int32)
        named = np.flatnonzero(np.diff(table.start))
        return (table.take(named), net[named]) if len(named) < len(net) else (table, net)


def _within(spans: LongArray) -> LongArray:
    """0, 1, ... within each span."""
    start = np.cumsum(spans) - spans
    return np.arange(int(spans.sum()), dtype=np.int64) - np.repeat(start, spans)


def _through(net_row: LongArray, nets: IntArray, offset: LongArray | int) -> IntArray:
    """Rows of the flat nets, -1 where a pin has none."""
    found = net_row[np.where(nets >= 0, nets + offset, 0)] if len(net_row) else np.zeros(len(nets), np.int64)
    return np.where(nets >= 0, found, -1).astype(np.int32)


def components(total: int, one: LongArray, other: LongArray) -> LongArray:
    """Smallest row of the component of each row, under the given joins."""
    if len(one) > 200_000:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(total, total))
        _, label = connected_components(graph, directed=False)
        first = np.full(int(label.max()) + 1, total, np.int64)
        np.minimum.at(first, label, np.arange(total))
        smallest: LongArray = first[label]
        return smallest
    root: dict[int, int] = {}

    for left, right in zip(one.tolist(), other.tolist(), strict=True):
        a, b = find_root(root, left), find_root(root, right)
        if a != b:
            root[max(a, b)] = min(a, b)
    found = np.arange(total, dtype=np.int64)
    for row in list(root):
        found[row] = find_root(root, row)
    return found


def _gathered(
    tables: Sequence[NameTable],
    table_row: LongArray,
    local: LongArray,
    block: LongArray,
    blocks: NameTable | None,
    prefix: str,
) -> NameTable:
    """Names taken from several tables, each with its block (-1 = top)."""
    first = np.cumsum([0, *(len(table) for table in tables)])
    shift = np.cumsum([0, *(len(table.blob) for table in tables)])
    blob = np.concatenate([table.blob for table in tables])
    start = np.concatenate([table.start[:-1] + at for table, at in zip(tables, shift[:-1], strict=True)])
    end = np.concatenate([table.start[1:] + at for table, at in zip(tables, shift[:-1], strict=True)])
    bit = None
    if any(table.bit is not None for table in tables):
        bit = np.concatenate([np.full(len(t), NO_BIT, np.int32) if t.bit is None else t.bit for t in tables])
    rows = first[table_row] + local
    lengths = end[rows] - start[rows]
    new_start = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=new_start[1:])
    source = np.repeat(start[rows], lengths) + _within(lengths)
    return NameTable(
        blob[source],
        new_start,
        None if bit is None else bit[rows],
        None if blocks is None else block.astype(np.int32),
        blocks,
        prefix,
    )


def _supply_nets(
    types: tuple[CellType, ...], cell_type: IntArray, pin_start: LongArray, pin_net: IntArray, role: ByteArray
) -> ByteArray:
    """Roles with the nets on supply pins marked as power or ground."""
    found = role
    for index, one in enumerate(types):
        for place, port in enumerate(one.ports):
            if port.role in {Role.POWER, Role.GROUND}:
                nets = pin_net[pin_start[:-1][cell_type == index] + place]
                found = found.copy() if found is role else found
                kind = NetRole.POWER if port.role == Role.POWER else NetRole.GROUND
                nets = nets[nets >= 0]
                found[nets[found[nets] == 0]] = int(kind)
    return found
