"""Read an SDC file into Constraints."""

from __future__ import annotations

from collections.abc import Mapping

from circuitgraph.circuit import Circuit
from circuitgraph.constraints import Constraints
from circuitgraph.errors import CircuitError, Notes, nearest
from circuitgraph.files import Source, name_of, read_bytes
from circuitgraph.formats.sdc.clocks import TABLE as CLOCKS
from circuitgraph.formats.sdc.commands import HARMLESS, REFUSED, Timing
from circuitgraph.formats.sdc.exceptions import TABLE as COMMANDS
from circuitgraph.formats.sdc.generated import TABLE as GENERATED
from circuitgraph.formats.sdc.language import Language
from circuitgraph.formats.sdc.options import parse
from circuitgraph.formats.sdc.queries import Objects
from circuitgraph.formats.sdc.units import TABLE as UNITS
from circuitgraph.formats.sdc.words import Script, Word
from circuitgraph.library import Library

DEFAULT_TIME = 1e-9
DEFAULT_CAPACITANCE = 1e-12
DEFAULT_RESISTANCE = 1e3
TABLE = COMMANDS | CLOCKS | GENERATED | UNITS


def read_sdc(
    source: Source,
    circuit: Circuit,
    library: Library | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    ignore_unsupported: bool = False,
) -> Constraints:
    """The constraints that an SDC file states for a circuit.

    Times and capacitances are in the units of the library (ns and pF without one); a file that states other units is
    refused. Names that the circuit does not have are counted in the notes, as are commands that change no timing.

    Args:
        source: path or binary stream, plain or compressed.
        circuit: whose ports, pins and cells the file names.
        library: gives the units.
        variables: values that the script may read, such as ``{"env(CLOCK_PERIOD)": "10"}``.
        ignore_unsupported: count commands that are not supported instead of refusing them.

    Raises:
        CircuitError: a command is malformed, unknown or not supported, or a limit is exceeded.

    Source: Synopsys Design Constraints 2.1, the subset that netlist flows write.
    """
    file = name_of(source)
    raw = read_bytes(source)
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise CircuitError(f"{file}:{line}", "byte 0", "is no text", "is this an SDC file?")
    text = (
        raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\x02", " ")
    )
    notes = Notes()
    objects = Objects(circuit, lambda: [clock.name for clock in timing.clocks])
    time = library.time_unit if library is not None else DEFAULT_TIME
    capacitance = library.capacitance_unit if library is not None else DEFAULT_CAPACITANCE
    resistance = library.resistance_unit if library is not None else DEFAULT_RESISTANCE
    units_of = f"(library {library.name})" if library is not None else "(the default without a library)"
    timing = Timing(circuit, objects, notes, time, capacitance, resistance, units_of)
    language = Language(objects, notes, lambda: list(range(len(timing.clocks))), timing.clock_ports)

    def call(script: Script, words: list[Word]) -> str:
        name = words[0].text
        if name in language.commands:
            return language.commands[name](script, words)
        if name in TABLE:
            function, flags, keys = TABLE[name]
            function(timing, parse(script, words, flags, keys))
            return ""
        if name in HARMLESS:
            notes.add(f"command {name} (changes no timing)", script.place(words[0].at))
            return ""
        if len(words) == 1 and (name.isdigit() or name == "*"):
            return f"[{name}]"
        if ignore_unsupported:
            notes.add(f"command {name} ignored", script.place(words[0].at))
            return ""
        if name in REFUSED:
            way_out = "remove it, or allow it to be ignored (--ignore-sdc)"
            raise script.error(words[0].at, f"command {name!r}", "can change timing and is not supported", way_out)
        known = [*language.commands, *TABLE, *HARMLESS]
        raise script.error(words[0].at, f"command {name[:40]!r}", "is unknown", nearest(name, known, "remove it"))

    script = Script(file, text, call)
    script.variables.update({name.removeprefix("::"): value for name, value in (variables or {}).items()})
    script.run()
    return timing.constraints(file)
