"""Timing arcs and look-up tables of Liberty cells, collected into the columns of a library."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from circuitgraph.errors import Notes
from circuitgraph.formats.liberty.cells import Cell
from circuitgraph.formats.liberty.groups import Group, Text, words_of
from circuitgraph.formats.liberty.numbers import NUMBER, NUMBERS, described, number
from circuitgraph.formats.liberty.pins import Pin
from circuitgraph.function import Function
from circuitgraph.library import LAST_DELAY, FloatArray, Sense, TableBank, TimingType

TIMING_TYPES = {kind.name.lower(): kind for kind in TimingType}
SENSES = {"positive_unate": Sense.POSITIVE, "negative_unate": Sense.NEGATIVE, "non_unate": Sense.NON_UNATE}
UNUSED_TYPES = frozenset(
    {
        "min_pulse_width",
        "minimum_period",
        "max_clock_tree_path",
        "min_clock_tree_path",
        "skew_rising",
        "skew_falling",
        "nochange_high_high",
        "nochange_high_low",
        "nochange_low_high",
        "nochange_low_low",
        "retaining_time",
    }
)
DELAY_TABLES = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
CHECK_TABLES = ("rise_constraint", "fall_constraint")
SLEW_AXES = frozenset({"input_net_transition", "input_transition_time", "related_pin_transition"})
OTHER_AXES = frozenset(
    {"total_output_net_capacitance", "output_net_pin_cap", "output_net_wire_cap", "constrained_pin_transition"}
)
MAX_AXES = 2


@dataclass
class Template:
    """A table template: names of the axes (True = slew of the related pin) and raw indices."""

    names: list[str]
    indices: list[tuple[str, int]]


@dataclass
class Columns:
    """The growing columns of a library: arcs, conditions and tables."""

    text: Text
    notes: Notes
    scales: dict[str, float]
    templates: dict[str, Template] = field(default_factory=dict)
    arc_from: list[int] = field(default_factory=list)
    arc_to: list[int] = field(default_factory=list)
    arc_timing: list[int] = field(default_factory=list)
    arc_sense: list[int] = field(default_factory=list)
    arc_when: list[int] = field(default_factory=list)
    arc_table: list[tuple[int, int, int, int]] = field(default_factory=list)
    conditions: dict[Function, int] = field(default_factory=dict)
    shapes: list[tuple[int, int]] = field(default_factory=list)
    table_axes: list[tuple[int, int]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    turned: list[bool] = field(default_factory=list)
    value_scales: list[float] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    value_places: list[int] = field(default_factory=list)
    axis_rows: dict[tuple[str, float], tuple[int, int]] = field(default_factory=dict)
    axes: list[float] = field(default_factory=lambda: [0.0])

    # -- tables --------------------------------------------------------------------------------

    def read_templates(self, library: Group) -> None:
        """Keep the table templates of the library."""
        for group in library.named("lu_table_template"):
            template = Template(
                [group.get(f"variable_{n}") for n in (1, 2, 3) if group.get(f"variable_{n}")],
                [(group.get(f"index_{n}"), group.place(f"index_{n}")) for n in (1, 2, 3)],
            )
            for name in group.words:
                self.templates[name] = template

    def table(self, group: Group) -> int:
        """Row of a table; a table that stands twice in the file gets two rows.

        Raises:
            CircuitError: template or axis are unknown, or the values do not fill the axes.
        """
        word = group.words[0] if group.words else "scalar"
        template = self.templates.get(word)
        raw, at = "", group.at
        own: dict[str, tuple[str, int]] = {}
        for key, value, place in group.attributes:
            if key == "values":
                raw, at = value, place
            elif key.startswith("index_"):
                own[key] = (value, place)
        tokens = raw.replace('"', " ").replace(",", " ").split()
        names: list[str] = [] if template is None else template.names
        if template is None and word != "scalar":
            raise self.text.error(
                group.at, f"table {group.name!r}", f"template {word!r} is not defined", "define lu_table_template"
            )
        if len(names) > MAX_AXES:
            self.notes.add("table with a third axis: its first layer kept", self.text.place(group.at))
        slew, other = (0, 1), (0, 1)
        turned = False
        count = 1
        for place, name in enumerate(names):
            values = own.get(f"index_{place + 1}") or (template.indices[place] if template else ("", group.at))
            row = self._axis(values, name, group)
            count *= row[1]
            if place >= MAX_AXES:
                continue
            if name in SLEW_AXES:
                slew = row
                turned = place == 1 and len(names) > 1
            else:
                other = row
        if len(tokens) != count:
            raise self.text.error(
                at, f"table {group.name!r}", f"holds {len(tokens)} values, not {count}", "check values and indices"
            )
        if len(names) > MAX_AXES:
            tokens = tokens[:: count // (slew[1] * other[1])]
        self.shapes.append((slew[1], other[1]))
        self.table_axes.append((slew[0], other[0]))
        self.starts.append(len(self.tokens))
        self.turned.append(turned)
        self.value_scales.append(self.scales["time"])
        self.tokens += tokens
        self.value_places.append(at)
        return len(self.shapes) - 1

    def _axis(self, raw: tuple[str, int], name: str, group: Group) -> tuple[int, int]:
        """Start and length of an axis; equal texts share one."""
        if name not in SLEW_AXES and name not in OTHER_AXES and not name.startswith("related_out"):
            raise self.text.error(
                group.at, f"table {group.name!r}", f"axis {name!r} is unknown", "is it a delay or check table?"
            )
        scale = self.scales["capacitance" if "cap" in name else "time"]
        key = (raw[0], scale)
        if key not in self.axis_rows:
            words = [word for quoted in words_of(raw[0]) for word in quoted.replace(",", " ").split()]
            values = _floats(self.text, words, raw[1], f"index of table {group.name!r}")
            if not values:
                raise self.text.error(
                    group.at, f"table {group.name!r}", f"axis {name!r} has no index", "add index_1, index_2"
                )
            if any(b <= a for a, b in pairwise(values)):
                self.notes.add("table axis that does not increase", self.text.place(raw[1]))
                if any(b < a for a, b in pairwise(values)) or len(set(values)) < len(values):
                    raise self.text.error(
                        raw[1], f"index of table {group.name!r}", "does not increase", "sort the index"
                    )
            self.axis_rows[key] = (len(self.axes), len(values))
            self.axes += [value * scale for value in values]
        return self.axis_rows[key]

    def bank(self) -> TableBank:
        """All tables with their values parsed.

        Raises:
            CircuitError: a value is no number.
        """
        joined = " ".join(self.tokens)
        try:
            if not NUMBERS.fullmatch(joined):
                raise ValueError
            values = np.array(list(map(float, self.tokens)), np.float64)
            if not np.isfinite(values).all():
                raise ValueError
        except ValueError:
            raise self._bad_value() from None
        scale = np.repeat(self.value_scales, [a * b for a, b in self.shapes]) if self.shapes else np.ones(0)
        values = values * scale
        for row, turned in enumerate(self.turned):
            if turned:
                first, second = self.shapes[row]
                part = values[self.starts[row] : self.starts[row] + first * second]
                part[:] = part.reshape(second, first).T.ravel()
        return TableBank(
            np.array(self.shapes, np.int32).reshape(-1, 2),
            np.array(self.table_axes, np.int64).reshape(-1, 2),
            np.array(self.starts, np.int64),
            np.array(self.axes, np.float64),
            values,
        )

    def _bad_value(self) -> Exception:
        for row, start in enumerate(self.starts):
            stop = self.starts[row + 1] if row + 1 < len(self.starts) else len(self.tokens)
            for token in self.tokens[start:stop]:
                if not NUMBER.fullmatch(token) or not np.isfinite(float(token)):
                    at = self.value_places[row]
                    return self.text.error(
                        at, "table", f"{token!r} is no number", "write digits with one point, as 0.5"
                    )
        raise AssertionError("every value is a number")

    # -- arcs ----------------------------------------------------------------------------------

    def read_arcs(self, cell: Cell, functions: tuple[Function | None, ...]) -> None:
        """Append the arcs of a cell, in the order of its ports and their timing groups."""
        done: dict[int, tuple[int, int, int, int]] = {}
        for row, pin in enumerate(cell.pins):
            for group in pin.groups:
                for timing in group.groups:
                    if timing.name == "timing":
                        self._arcs_of(cell, row, pin, timing, functions, done)

    def _arcs_of(
        self,
        cell: Cell,
        to: int,
        pin: Pin,
        timing: Group,
        functions: tuple[Function | None, ...],
        done: dict[int, tuple[int, int, int, int]],
    ) -> None:
        values = {key: (value, at) for key, value, at in timing.attributes}
        word = values.get("timing_type", ("combinational", 0))[0]
        if word in UNUSED_TYPES:
            self.notes.add(f"timing_type {word} skipped")
            return
        kind = TIMING_TYPES.get(word)
        if kind is None:
            place = timing.place("timing_type")
            raise self.text.error(
                place, f"timing_type of pin {pin.name!r}", f"{word!r} is unknown", "is it spelled as Liberty has it?"
            )
        if id(timing) not in done:
            done[id(timing)] = self._tables_of(timing, kind)
        tables = done[id(timing)]
        if max(tables) < 0:
            self.notes.add("timing group without tables skipped", self.text.place(timing.at))
            return
        when = self._condition(cell, timing, pin, values)
        sense_word = values.get("timing_sense", ("", 0))[0]
        for source in self._related(cell, pin, timing, values):
            sense = SENSES.get(sense_word, Sense.UNKNOWN)
            if sense == Sense.UNKNOWN and kind in {
                TimingType.COMBINATIONAL,
                TimingType.COMBINATIONAL_RISE,
                TimingType.COMBINATIONAL_FALL,
            }:
                sense = sense_of(functions[to], source)
            self.arc_from.append(source)
            self.arc_to.append(to)
            self.arc_timing.append(int(kind))
            self.arc_sense.append(int(sense))
            self.arc_when.append(when)
            self.arc_table.append(tables)

    def _tables_of(self, timing: Group, kind: TimingType) -> tuple[int, int, int, int]:
        names = CHECK_TABLES if kind > LAST_DELAY else DELAY_TABLES
        found = {group.name: group for group in timing.groups}
        rows = [self.table(found[name]) if name in found else -1 for name in names]
        if kind <= LAST_DELAY and max(rows) < 0 and timing.get("intrinsic_rise"):
            rows = self._linear(timing)
        elif kind > LAST_DELAY and max(rows) < 0:
            rows = [self._scalar(timing, name) for name in ("intrinsic_rise", "intrinsic_fall")]
        rise, fall, *slews = rows
        return rise, fall, *(slews or (-1, -1))

    def _linear(self, timing: Group) -> list[int]:
        """Tables of the linear delay model: intrinsic delay + resistance x load; slews are zero."""
        rows = []
        scale = self.scales["resistance"] * self.scales["capacitance"] / self.scales["time"]
        for edge in ("rise", "fall"):
            intrinsic = number(self.text, timing, f"intrinsic_{edge}", 0.0)
            slope = number(self.text, timing, f"{edge}_resistance", 0.0) * scale
            rows.append(self._made([intrinsic, intrinsic + slope], timing.at))
        return [*rows, self._made([0.0, 0.0], timing.at), self._made([0.0, 0.0], timing.at)]

    def _made(self, values: list[float], at: int) -> int:
        """A table over the load whose second point is one unit of capacitance."""
        key = ("linear", self.scales["capacitance"])
        if key not in self.axis_rows:
            self.axis_rows[key] = (len(self.axes), 2)
            self.axes += [0.0, self.scales["capacitance"]]
        self.shapes.append((1, len(values)))
        self.table_axes.append((0, self.axis_rows[key][0] if len(values) > 1 else 0))
        self.starts.append(len(self.tokens))
        self.turned.append(False)
        self.value_scales.append(self.scales["time"])
        self.tokens += [repr(value) for value in values]
        self.value_places.append(at)
        return len(self.shapes) - 1

    def _scalar(self, timing: Group, name: str) -> int:
        return self._made([number(self.text, timing, name)], timing.at) if timing.get(name) else -1

    def _condition(self, cell: Cell, timing: Group, pin: Pin, values: dict[str, tuple[str, int]]) -> int:
        if "when" not in values:
            return -1
        raw, at = values["when"]
        function = cell.function(raw, at, f"condition at pin {pin.name!r}", pin.bit)
        if function is None:
            self.notes.add("condition over something that is no pin left out", self.text.place(at))
            return -1
        return self.conditions.setdefault(function, len(self.conditions))

    def _related(self, cell: Cell, pin: Pin, timing: Group, values: dict[str, tuple[str, int]]) -> list[int]:
        """Ports that an arc starts from: of a bus of the same width the same bit, else all bits."""
        found: list[int] = []
        for name in ("related_pin", "related_bus_pins"):
            raw, at = values.get(name, ("", timing.at))
            for word in raw.replace('"', " ").replace(",", " ").split():
                word = word.replace("\\", "")
                if word in cell.index:
                    found.append(cell.index[word])
                elif word in cell.members:
                    rows = cell.members[word]
                    own = cell.members.get(pin.bus, [])
                    found += [rows[pin.bit]] if name == "related_pin" and len(own) == len(rows) else rows
                else:
                    rule = f"related pin {word!r} is no pin of {described(cell.group)}"
                    raise self.text.error(at, f"timing of pin {pin.name!r}", rule, "correct the name")
        if not found:
            self.notes.add("timing group without related pin skipped", self.text.place(timing.at))
        return found


def sense_of(function: Function | None, port: int) -> Sense:
    """Sense of an output towards a port, from its function."""
    if function is None or port not in function.inputs:
        return Sense.UNKNOWN if function is None else Sense.NON_UNATE
    positive, negative = function.senses(port)
    return Sense(int(positive) + 2 * int(negative))


def _floats(text: Text, words: list[str], at: int, subject: str) -> list[float]:
    for word in words:
        if not NUMBER.fullmatch(word) or not np.isfinite(float(word)):
            raise text.error(at, subject, f"{word!r} is no number", "write digits with one point, as 0.5")
    return [float(word) for word in words]


def capacitances(text: Text, pin: Pin, scale: float, default: float) -> FloatArray:
    """Capacitance of a port, F, [4]: late rise, late fall, early rise, early fall.

    ``rise_capacitance`` and ``fall_capacitance`` go before ``capacitance``, their ranges before them.

    Raises:
        CircuitError: a value is no number.
    """
    found = np.full(4, default)
    own = pin.groups[0]

    def read(name: str, raw: str) -> float:
        if not NUMBER.fullmatch(raw.strip().strip('"')):
            at = next((group.place(name) for group in pin.groups if group.get(name)), own.at)
            rule = f"{raw!r} is no number"
            raise text.error(at, f"attribute {name!r} of pin {pin.name!r}", rule, "write digits with one point, as 0.5")
        return float(raw.strip().strip('"')) * scale

    if raw := pin.get("capacitance"):
        found[:] = read("capacitance", raw)
    for edge, name in enumerate(("rise_capacitance", "fall_capacitance")):
        if raw := pin.get(name):
            found[edge::2] = read(name, raw)
        words = words_of(pin.get(f"{name}_range"))
        if len(words) == 2:
            found[2 + edge], found[edge] = (read(f"{name}_range", word) for word in words)
    return found
