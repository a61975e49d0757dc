"""Liberty's grammar: groups, simple and complex attributes, as a tree without meaning.

    name ( words ) { statements }        a group
    name ( words ) ;                     a complex attribute
    name : value ;                       a simple attribute

Semicolons are optional, strings run over lines, a backslash joins lines, comments are ``/* */`` and ``//``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from circuitgraph.errors import CircuitError, Notes

MAX_NESTING = 64
"""Deepest nesting of groups; real libraries use 7."""

SKIPPED_GROUPS = frozenset(
    {
        "internal_power",
        "leakage_power",
        "power_lut_template",
        "operating_conditions",
        "normalized_driver_waveform",
        "input_voltage",
        "output_voltage",
        "output_current_rise",
        "output_current_fall",
        "receiver_capacitance",
        "receiver_capacitance1_rise",
        "receiver_capacitance1_fall",
        "receiver_capacitance2_rise",
        "receiver_capacitance2_fall",
        "ccsn_first_stage",
        "ccsn_last_stage",
        "input_ccb",
        "output_ccb",
        "dc_current",
        "em_lut_template",
        "electromigration",
        "intrinsic_parasitic",
        "dynamic_current",
        "hyperbolic_noise_high",
        "hyperbolic_noise_low",
        "hyperbolic_noise_above_high",
        "hyperbolic_noise_below_low",
        "noise_immunity_high",
        "noise_immunity_low",
        "ocv_sigma_cell_rise",
        "ocv_sigma_cell_fall",
        "ocv_sigma_rise_transition",
        "ocv_sigma_fall_transition",
        "ocv_sigma_rise_constraint",
        "ocv_sigma_fall_constraint",
        "ocv_mean_shift_cell_rise",
        "ocv_mean_shift_cell_fall",
        "ocv_std_dev_cell_rise",
        "ocv_std_dev_cell_fall",
        "ocv_skewness_cell_rise",
        "ocv_skewness_cell_fall",
        "retaining_rise",
        "retaining_fall",
        "retain_rise_slew",
        "retain_fall_slew",
    }
)
"""Groups whose content is counted but not read: power, current source models, noise, variation, retain."""

STATEMENT = re.compile(
    r"""[\s;]*+(?:
        (?P<close>\})
      | (?P<name>"[^"]*+"|[^\s(){}:;",]++)\s*+
        (?: \( (?P<words>[^()"]*+(?:"[^"]*+"[^()"]*+)*+) \) (?P<open>\s*+\{)?
          | : \s*+ (?P<value>"[^"]*+"|[^;\n}"]*+) )
      | (?P<end>\Z) )""",
    re.VERBOSE,
)
WORD = re.compile(r'"([^"]*)"|([^\s,"]+)')


@dataclass(slots=True)
class Group:
    """A group of a Liberty file.

    | field | meaning |
    |---|---|
    | name, words | ``pin ("A", B)`` is name ``pin``, words ``["A", "B"]`` |
    | at | offset of the group in the text |
    | attributes | (name, value or raw words, offset), in the order of the file |
    | groups | groups inside |
    """

    name: str
    words: list[str]
    at: int
    attributes: list[tuple[str, str, int]] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def get(self, name: str, otherwise: str = "") -> str:
        """Value of the last attribute of that name, unquoted."""
        found = otherwise
        for key, value, _ in self.attributes:
            if key == name:
                found = value
        return found

    def place(self, name: str) -> int:
        """Offset of the last attribute of that name, or of the group."""
        found = self.at
        for key, _, at in self.attributes:
            if key == name:
                found = at
        return found

    def named(self, *names: str) -> list[Group]:
        """The groups inside that have one of the names."""
        return [group for group in self.groups if group.name in names]


@dataclass
class Text:
    """The text of a Liberty file without comments, and the way from an offset to a place."""

    file: str
    text: str

    def place(self, at: int) -> str:
        """``file:line`` of an offset."""
        return f"{self.file}:{self.text.count(chr(10), 0, at) + 1}"

    def error(self, at: int, subject: str, rule: str, way_out: str) -> CircuitError:
        """The error that stands at an offset."""
        return CircuitError(self.place(at), subject, rule, way_out)


def words_of(raw: str) -> list[str]:
    """Words in a pair of parentheses, quoted or not, separated by commas or blanks.

    >>> words_of('"IQ", IQN')
    ['IQ', 'IQN']
    """
    return [quoted or bare for quoted, bare in WORD.findall(raw)]


def clean(raw: bytes, file: str) -> Text:
    """The text of a file: line ends unified, joined lines joined, comments blanked; offsets of lines are kept.

    Raises:
        CircuitError: there is a NUL byte, or a comment has no end.
    """
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise CircuitError(f"{file}:{line}", "byte 0", "is no text", "is this a Liberty file?")
    text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\\" in text:
        text = re.sub(r"\\[ \t]*\n", " \n", text)
    return Text(file, _without_comments(text, file))


def _without_comments(text: str, file: str) -> str:
    parts: list[str] = []
    done = at = 0
    line = block = -2
    while True:
        if -1 != line < at:
            line = text.find("//", at)
        if -1 != block < at:
            block = text.find("/*", at)
        if line < 0 and block < 0:
            break
        start = min(found for found in (line, block) if found >= 0)
        if text.count('"', done, start) & 1:
            close = text.find('"', start)
            at = close + 1 if close >= 0 else len(text)
            parts.append(text[done:at])
            done = at
            continue
        if start == line:
            stop = text.find("\n", start)
            stop = len(text) if stop < 0 else stop
        else:
            stop = text.find("*/", start + 2) + 2
            if stop < 2:
                raise CircuitError(
                    f"{file}:{text.count(chr(10), 0, start) + 1}", "comment", "has no end", "close it with */"
                )
        parts.append(text[done:start])
        parts.append(re.sub(r"[^\n]+", " ", text[start:stop]))
        done = at = stop
    parts.append(text[done:])
    return "".join(parts)


def parse(text: Text, notes: Notes) -> list[Group]:
    """The groups at the top of the file (one ``library`` as a rule).

    Raises:
        CircuitError: a statement is malformed, groups are not balanced or nested too deep.
    """
    top = Group("", [], 0)
    stack = [top]
    match = STATEMENT.match
    source = text.text
    at = 0
    while True:
        found = match(source, at)
        if found is None:
            raise _no_statement(text, at)
        at = found.end()
        close, name, words, opening, value, _ = found.groups()
        if close:
            if len(stack) == 1:
                raise text.error(
                    found.end() - 1, "'}'", "closes no group", "remove it, or look for a group closed too early"
                )
            stack.pop()
            continue
        if name is None:
            break
        start = found.start("name")
        if name[0] == '"':
            name = name[1:-1]
        if opening:
            if name in SKIPPED_GROUPS:
                at = _skip(text, name, start, at)
                notes.add(f"group {name} skipped")
                continue
            group = Group(name, words_of(words), start)
            stack[-1].groups.append(group)
            stack.append(group)
            if len(stack) > MAX_NESTING:
                raise text.error(
                    start, f"group {name!r}", f"is nested deeper than {MAX_NESTING}", "raise groups.MAX_NESTING"
                )
        elif words is not None:
            stack[-1].attributes.append((name, words, start))
        else:
            value = value[1:-1] if value[:1] == '"' else value.rstrip()
            stack[-1].attributes.append((name, value, start))
    if len(stack) > 1:
        raise text.error(
            stack[-1].at, f"group {stack[-1].name!r}", "has no end", "is the file cut off? add the missing '}'"
        )
    for key, _, start in top.attributes:
        raise text.error(
            start, f"attribute {key!r}", "stands outside of a library", "wrap it into library (name) { ... }"
        )
    return top.groups


def _skip(text: Text, name: str, start: int, at: int) -> int:
    """Offset behind the brace that closes the group whose content begins at *at*."""
    depth = 1
    source = text.text
    while depth:
        close = source.find("}", at)
        if close < 0:
            raise text.error(start, f"group {name!r}", "has no end", "is the file cut off? add the missing '}'")
        outside = source[at:close].split('"')[::2]
        if source.count('"', at, close) & 1:
            at = source.find('"', close) + 1
            if not at:
                raise text.error(start, f"group {name!r}", "holds a string without end", "close the quote")
            depth += sum(part.count("{") for part in outside)
            continue
        depth += sum(part.count("{") for part in outside) - 1
        at = close + 1
    return at


def _no_statement(text: Text, at: int) -> CircuitError:
    """What is said where no statement begins."""
    found = re.compile(r"[\s;]*").match(text.text, at)
    assert found is not None
    at = found.end()
    line = text.text[at:].partition("\n")[0][:40]
    if '"' in line and line.count('"') & 1:
        return text.error(at, f"{line!r}", "holds a string without end", "close the quote")
    return text.error(at, f"{line!r}", "is no statement", "write name : value ; or name (words) { ... }")
