"""The commands of the language itself: variables, lists, ``foreach``, ``if``, queries; none of them changes timing."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable

from circuitgraph.circuit import Direction
from circuitgraph.errors import Notes, nearest
from circuitgraph.formats.sdc.expressions import truth
from circuitgraph.formats.sdc.options import expression, parse, to_number
from circuitgraph.formats.sdc.queries import Objects, handle, unhandled
from circuitgraph.formats.sdc.words import Script, Word, join_list, split_list

DESIGN = handle("design", 0)
"""The object that ``current_design`` gives."""


class Language:
    """Runs the commands of the language.

    Args:
        objects: what the queries find.
        notes: where names that nothing has are counted.
        all_clocks, clock_ports: rows of the clocks, and of the ports where they start.
    """

    def __init__(
        self, objects: Objects, notes: Notes, all_clocks: Callable[[], list[int]], clock_ports: Callable[[], set[int]]
    ) -> None:
        self.objects = objects
        self.notes = notes
        self.all_clocks = all_clocks
        self.clock_ports = clock_ports
        self.commands: dict[str, Callable[[Script, list[Word]], str]] = {
            "set": self._set,
            "unset": self._unset,
            "incr": self._incr,
            "append": self._append,
            "expr": lambda script, words: expression(script, words[1:]) if words[1:] else "0",
            "if": self._if,
            "foreach": self._foreach,
            "foreach_in_collection": self._foreach,
            "list": lambda _, words: join_list([word.text for word in words[1:]]),
            "lappend": self._lappend,
            "lsearch": self._lsearch,
            "lreplace": self._lreplace,
            "lindex": self._lindex,
            "lrange": self._lrange,
            "llength": lambda script, words: str(len(split_list(self._one(script, words).text))),
            "sizeof_collection": lambda script, words: str(len(split_list(self._one(script, words).text))),
            "concat": lambda _, words: " ".join(word.text.strip() for word in words[1:] if word.text.strip()),
            "add_to_collection": lambda _, words: " ".join(w.text for w in words[1:] if not w.text.startswith("-")),
            "remove_from_collection": self._remove,
            "get_property": self._property,
            "get_attribute": self._property,
            "get_object_name": self._object_name,
            "info": self._info,
            "puts": lambda _script, _words: "",
            "current_design": lambda _script, _words: DESIGN,
            "all_inputs": self._all_inputs,
            "all_outputs": lambda _script, _words: self._handles("port", objects.ports(Direction.OUTPUT)),
            "all_clocks": lambda _script, _words: self._handles("clock", self.all_clocks()),
            "all_registers": self._all_registers,
        }
        for kind in ("port", "pin", "net", "cell", "clock"):
            self.commands[f"get_{kind}s"] = self._query(kind)

    @staticmethod
    def _handles(kind: str, rows: list[int]) -> str:
        return " ".join(handle(kind, row) for row in rows)

    @staticmethod
    def _one(script: Script, words: list[Word]) -> Word:
        if len(words) != 2:
            raise script.error(
                words[0].at, f"command {words[0].text!r}", f"takes one word, not {len(words) - 1}", "check it"
            )
        return words[1]

    def _few(self, script: Script, words: list[Word], least: int, most: int) -> list[Word]:
        if not least <= len(words) - 1 <= most:
            rule = f"takes {least} to {most} words, not {len(words) - 1}"
            raise script.error(words[0].at, f"command {words[0].text!r}", rule, "check the command")
        return words[1:]

    # -- variables and control -----------------------------------------------------------------

    def _set(self, script: Script, words: list[Word]) -> str:
        found = self._few(script, words, 1, 2)
        name = found[0].text.removeprefix("::")
        if len(found) == 2:
            return script.set(name, found[1].text, found[0].at)
        if name not in script.variables:
            raise script.error(
                found[0].at, f"variable {name!r}", "has no value", nearest(name, script.variables, "set it first")
            )
        return script.variables[name]

    def _unset(self, script: Script, words: list[Word]) -> str:
        for word in words[1:]:
            script.variables.pop(word.text.removeprefix("::"), None)
        return ""

    def _incr(self, script: Script, words: list[Word]) -> str:
        found = self._few(script, words, 1, 2)
        name = found[0].text
        old = to_number(script, Word(script.variables.get(name, "0"), found[0].at))
        step = to_number(script, found[1]) if len(found) == 2 else 1.0
        return script.set(name, str(int(old + step)), found[0].at)

    def _append(self, script: Script, words: list[Word]) -> str:
        name = self._few(script, words, 1, 1000)[0].text
        return script.set(name, script.variables.get(name, "") + "".join(w.text for w in words[2:]), words[0].at)

    def _if(self, script: Script, words: list[Word]) -> str:
        at = 1
        while True:
            if at + 1 >= len(words):
                raise script.error(
                    words[0].at, "command 'if'", "lacks its condition or body", "write if {condition} { ... }"
                )
            condition = words[at]
            body = at + 2 if words[at + 1].text == "then" else at + 1
            if body >= len(words):
                raise script.error(words[0].at, "command 'if'", "lacks its body", "write if {condition} { ... }")
            try:
                chosen = truth(expression(script, [condition]))
            except ValueError:
                raise script.error(
                    condition.at, f"condition {condition.text[:40]!r}", "is no truth value", "compare"
                ) from None
            if chosen:
                return script.run_body(words[body])
            at = body + 1
            if at >= len(words):
                return ""
            if words[at].text == "elseif":
                at += 1
                continue
            return script.run_body(words[at + 1] if words[at].text == "else" and at + 1 < len(words) else words[at])

    def _foreach(self, script: Script, words: list[Word]) -> str:
        names, items, body = self._few(script, words, 3, 3)
        variables = split_list(names.text)
        values = split_list(items.text)
        if not variables:
            raise script.error(names.at, "command 'foreach'", "has no variable", "name one")
        for at in range(0, len(values), len(variables)):
            for place, name in enumerate(variables):
                script.set(name, values[at + place] if at + place < len(values) else "", names.at)
            script.run_body(body)
        return ""

    # -- lists ---------------------------------------------------------------------------------

    def _lappend(self, script: Script, words: list[Word]) -> str:
        name = self._few(script, words, 1, 10_000)[0].text
        old = script.variables.get(name.removeprefix("::"), "")
        added = join_list([word.text for word in words[2:]])
        return script.set(name, f"{old} {added}" if old and added else old or added, words[0].at)

    def _lsearch(self, script: Script, words: list[Word]) -> str:
        options = [word.text for word in words[1:-2]]
        items, wanted = (word.text for word in words[-2:]) if len(words) >= 3 else ("", "")
        glob = "-exact" not in options
        for row, item in enumerate(split_list(items)):
            if item == wanted or (glob and "-exact" not in options and fnmatch.fnmatchcase(item, _plain(wanted))):
                return str(row)
        return "-1"

    def _index(self, script: Script, word: Word, length: int) -> int:
        text = word.text.strip()
        if text.startswith("end"):
            rest = text[3:]
            return length - 1 + (int(to_number(script, Word(rest, word.at))) if rest else 0)
        return int(to_number(script, word))

    def _lindex(self, script: Script, words: list[Word]) -> str:
        found = self._few(script, words, 2, 2)
        items = split_list(found[0].text)
        row = self._index(script, found[1], len(items))
        return items[row] if 0 <= row < len(items) else ""

    def _lrange(self, script: Script, words: list[Word]) -> str:
        found = self._few(script, words, 3, 3)
        items = split_list(found[0].text)
        first, last = (self._index(script, word, len(items)) for word in found[1:])
        return join_list(items[max(first, 0) : last + 1])

    def _lreplace(self, script: Script, words: list[Word]) -> str:
        found = self._few(script, words, 3, 10_000)
        items = split_list(found[0].text)
        first, last = (self._index(script, word, len(items)) for word in found[1:3])
        first = max(first, 0)
        items[first : max(last + 1, first)] = [word.text for word in found[3:]]
        return join_list(items)

    def _remove(self, script: Script, words: list[Word]) -> str:
        found = self._few(script, words, 2, 2)
        gone = split_list(found[1].text)
        names = {self._name(item) for item in gone}
        return " ".join(item for item in split_list(found[0].text) if self._name(item) not in names)

    # -- objects -------------------------------------------------------------------------------

    def _name(self, item: str) -> str:
        found = unhandled(item)
        if found is None or found[0] == "design":
            return item
        return self.objects.name(*found)

    def _property(self, script: Script, words: list[Word]) -> str:
        options = parse(script, words, "-quiet", "-object_type")
        target, key = options.needs(2)
        found = unhandled(target.text)
        if found is None:
            raise script.error(
                target.at, f"{target.text[:40]!r}", "is no object", "take it from get_ports, get_pins, ..."
            )
        if key.text in {"full_name", "name"}:
            name = self.objects.name(*found)
            return name.rpartition("/")[2] if key.text == "name" and found[0] == "pin" else name
        if key.text == "direction" and found[0] == "port":
            return Direction(int(self.objects.circuit.port_direction[found[1]])).name.lower()
        rule = f"property {key.text!r} is not known here"
        raise script.error(
            key.at,
            "command 'get_property'",
            rule,
            nearest(key.text, ["full_name", "name", "direction"], "use full_name"),
        )

    def _object_name(self, script: Script, words: list[Word]) -> str:
        return join_list([self._name(item) for item in split_list(self._one(script, words).text)])

    def _info(self, script: Script, words: list[Word]) -> str:
        found = self._few(script, words, 2, 2)
        if found[0].text != "exists":
            raise script.error(
                words[0].at, "command 'info'", f"does not know {found[0].text!r}", "write info exists NAME"
            )
        return str(int(found[1].text.removeprefix("::") in script.variables))

    def _all_inputs(self, script: Script, words: list[Word]) -> str:
        options = parse(script, words, "-no_clocks", "-clock")
        rows = self.objects.ports(Direction.INPUT)
        if options.has("-no_clocks"):
            clocks = self.clock_ports()
            rows = [row for row in rows if row not in clocks]
        return self._handles("port", rows)

    def _all_registers(self, script: Script, words: list[Word]) -> str:
        options = parse(
            script, words, "-cells -clock_pins -data_pins -output_pins -edge_triggered -level_sensitive -async_pins"
        )
        wanted = {"-clock_pins": "clock", "-data_pins": "data", "-output_pins": "output"}
        chosen = [kind for flag, kind in wanted.items() if flag in options.flags]
        cells = self.objects.registers()
        if not chosen:
            return self._handles("cell", cells)
        return self._handles(
            "pin", [pin for cell in cells for kind in chosen for pin in self.objects.pins_of(cell, kind)]
        )

    def _query(self, kind: str) -> Callable[[Script, list[Word]], str]:
        def run(script: Script, words: list[Word]) -> str:
            options = parse(script, words, "-quiet -hierarchical -nocase -regexp -exact", "-filter -of_objects -hsc")
            for name in ("-regexp", "-filter", "-of_objects", "-nocase"):
                if options.has(name):
                    raise options.fail(f"option {name} is not supported", "list the names")
            rows: dict[int, None] = {}
            for word in options.rest:
                for item in split_list(word.text):
                    found = unhandled(item)
                    if found is not None:
                        rows.update(dict.fromkeys([found[1]] if found[0] == kind else []))
                        continue
                    fits = self.objects.find(kind, item)
                    if not fits and not options.has("-quiet"):
                        self.notes.add(
                            f"name of a {kind} that the circuit does not have", f"{script.place(word.at)} {item}"
                        )
                    rows.update(dict.fromkeys(fits))
            return self._handles(kind, list(rows))

        return run


def _plain(wanted: str) -> str:
    """A glob whose brackets are literal."""
    return wanted.replace("[", "[[]")
