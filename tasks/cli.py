"""The command line: parse, call, print. Every command imports its work when it runs.

Answers go to standard output, progress to standard error. Exit code 0 done, 1 the input or the request is wrong
(one line), 2 usage, 3 a fault of ours (the traceback is kept in a file).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from circuitgraph import __version__
from circuitgraph.errors import CircuitError, nearest
from encoders.run import finite

Commands = "argparse._SubParsersAction[_Parser]"


class _Parser(argparse.ArgumentParser):
    """argparse that words a fault on one line, with the nearest name."""

    def error(self, message: str) -> NoReturn:
        """One line and exit code 2."""
        if "invalid choice" in message:
            given = message.split("invalid choice: ")[1].split(" (")[0].strip("'")
            name = message.removeprefix("argument ").split(":")[0]
            action = next((a for a in self._actions if name in (*a.option_strings, a.metavar, a.dest)), None)
            choices = [str(choice) for choice in (action.choices if action and action.choices else ())]
            subject = f"{name} {given!r}" if name.startswith("-") else repr(given)
            message = f"{subject} is unknown: {nearest(given, choices, 'use one of ' + ', '.join(choices))}"
        self.exit(2, f"{self.prog}: {message}\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse, but what a command does not know is said by the command itself, which knows its options."""
        options, rest = super().parse_known_args(args, namespace)
        if rest:
            given = rest[0].split("=")[0]
            what = "option" if given.startswith("-") else "argument"
            known = [option for action in self._actions for option in action.option_strings]
            self.error(f"{what} {given!r} is unknown: {nearest(given, known, f'see {self.prog} --help')}")
        return options, rest


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = _Parser(
        prog="circuitgraph",
        description="Graph learning on circuits: read netlists, pretrain encoders, predict timing.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"circuitgraph-learn {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (_inspect, _build, _embed, _pretrain, _finetune, _predict, _calibrate, _evaluate, _demo, _data, _doctor):
        add(commands)
    return top


def _command(commands: Any, name: str, help: str, run: Callable[[argparse.Namespace], int]) -> _Parser:
    made: _Parser = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
    made.set_defaults(run=run)
    return made


def _inspect(commands: Any) -> None:
    command = _command(
        commands, "inspect", "Counts, cells by type and checks of netlists, AIGs, libraries, SPEF.", _run_inspect
    )
    command.add_argument("files", nargs="+", metavar="FILE")
    command.add_argument("--json", action="store_true", help="one array with one object a file")
    command.add_argument("--liberty", action="append", default=[], metavar="LIB", help="library of a netlist's cells")
    command.add_argument("--top", help="top module of a netlist")
    command.add_argument("--format", help="read as this format, whatever the name says")


def _run_inspect(options: argparse.Namespace) -> int:
    from tasks.inspection import inspect_file, text_of

    library = _libraries(options.liberty) if options.liberty else None
    records, failed = [], False
    for path in options.files:
        try:
            record = inspect_file(path, format=options.format, library=library, top=options.top)
        except CircuitError as error:
            text, base = str(error), path.rstrip("/").rpartition("/")[2]
            _say(path + text[len(base) :] if text.startswith(f"{base}:") else text)
            failed = True
            continue
        if options.json:
            records.append(record)
        else:
            print(text_of(record))
    if options.json:
        print(json.dumps(finite(records), indent=1, allow_nan=False))
    return int(failed)


def _libraries(paths: Sequence[str]) -> Any:
    from circuitgraph.formats import read
    from circuitgraph.library import Library

    return Library.merged([read(path, format="liberty") for path in paths])


def _build(commands: Any) -> None:
    command = _command(
        commands, "build", "A corpus from folders of netlists, AIGs and RTL; the same command resumes it.", _run_build
    )
    command.add_argument("inputs", nargs="+", metavar="FOLDER", help="folders, archives, files, other corpora")
    command.add_argument("-o", "--output", required=True, metavar="CORPUS")
    command.add_argument("--jobs", type=int, default=0, metavar="N", help="worker processes; default: the cores")
    command.add_argument("--shard", metavar="I/N", help="only this share of the files, I from 0; then --merge")
    command.add_argument("--merge", action="store_true", help="write the index of what shards made")
    command.add_argument("--liberty", action="append", default=[], metavar="LIB", help="library of netlists' cells")
    command.add_argument("--map", action="store_true", help="also map RTL to the first --liberty")
    command.add_argument(
        "--max-cells", type=int, default=0, metavar="N", help="larger circuits fail; default: no limit"
    )
    command.add_argument(
        "--time-limit", type=float, default=120.0, metavar="S", help="of one file; default 120, 0: none"
    )
    command.add_argument("--split", default="70/15/15", metavar="A/B/C", help="train, validation, test; by family")
    command.add_argument("--seed", type=int, default=0, help="of the splits")
    command.add_argument("--families", metavar="CSV", help="own list: name,family[,split]")
    command.add_argument("--force", action="store_true", help="read every file again")
    command.add_argument("--retry", action="store_true", help="read the files again that failed")
    command.add_argument("--cluster", choices=("ray",), help="do the shards on a Ray cluster")
    command.add_argument("--workers", type=int, default=2, metavar="N", help="shards on the cluster; default 2")
    command.add_argument("--json", action="store_true")


def _run_build(options: argparse.Namespace) -> int:
    from tasks.build_command import build_command

    return _answer(options, build_command(options, _say))


def _embed(commands: Any) -> None:
    command = _command(
        commands, "embed", "Embedding of every node and of the whole circuit, as safetensors.", _run_embed
    )
    command.add_argument("file", metavar="FILE")
    command.add_argument("-o", "--output", required=True, metavar="X.safetensors")
    command.add_argument("--model", metavar="CHECKPOINT", help="an encoder; default: the small one that is shipped")
    command.add_argument("--view", choices=("logic", "timing"), help="default: the one of the encoder")
    command.add_argument("--liberty", action="append", default=[], metavar="LIB")
    command.add_argument("--top", help="top module of a netlist")
    command.add_argument(
        "--block-size", type=int, metavar="N", help="most nodes held at once; the result does not change"
    )
    command.add_argument("--break-loops", action="store_true", help="cut combinational loops")
    command.add_argument("--json", action="store_true")


def _run_embed(options: argparse.Namespace) -> int:
    from tasks.embedding import embed_file

    return _answer(options, embed_file(options, _say))


def _pretrain(commands: Any) -> None:
    command = _command(commands, "pretrain", "Train an encoder without labels, as a recipe says.", _run_pretrain)
    _recipe_arguments(command)


def _run_pretrain(options: argparse.Namespace) -> int:
    from tasks.training import pretrain

    return _answer(options, pretrain(options.recipe, options.output, _overrides(options), _say))


def _finetune(commands: Any) -> None:
    command = _command(commands, "finetune", "Train a task's model on its labels, as a recipe says.", _run_finetune)
    _recipe_arguments(command)
    command.add_argument("--black-box", action="store_true", help="keep unknown cell types opaque, without arcs")


def _run_finetune(options: argparse.Namespace) -> int:
    from tasks.training import finetune

    return _answer(options, finetune(options.recipe, options.output, _overrides(options), _say))


def _recipe_arguments(command: _Parser) -> None:
    command.add_argument("recipe", metavar="RECIPE.toml")
    command.add_argument("-o", "--output", required=True, metavar="RUN", help="run folder; the same command resumes it")
    command.add_argument("--seed", type=int, help="instead of the recipe's")
    command.add_argument("--data", metavar="FOLDER", help="instead of the recipe's corpus")
    command.add_argument("--break-loops", action="store_true", help="cut combinational loops")
    command.add_argument("--json", action="store_true")


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    named = {"seed": options.seed, "data": options.data}
    flags = {"break_loops": options.break_loops, "black_box": getattr(options, "black_box", False)}
    return {name: value for name, value in named.items() if value is not None} | {k: v for k, v in flags.items() if v}


def _predict(commands: Any) -> None:
    command = _command(commands, "predict", "Predict timing.", _run_predict)
    tasks = command.add_subparsers(dest="task", metavar="TASK", required=True)
    timing = _command(tasks, "timing", "Arrival, slew and slack of every pin; endpoints; worst paths.", _run_predict)
    timing.add_argument("netlist", metavar="TOP.v|FOLDER", help="netlist, or the folder of a flow's run")
    timing.add_argument("--liberty", action="append", metavar="LIB")
    timing.add_argument("--corner", action="append", metavar="NAME=LIB[,LIB]", help="in place of --liberty; repeated")
    timing.add_argument("--sdc", metavar="C.sdc")
    timing.add_argument("--spef", metavar="P.spef")
    timing.add_argument("--def", dest="placement", metavar="D.def", help="placement: wires are estimated from it")
    timing.add_argument("--lef", action="append", metavar="L.lef", help="technology and cells of the placement")
    timing.add_argument("--top", help="top module")
    timing.add_argument(
        "--wires",
        choices=("spef", "placement", "fan-out", "zero"),
        help="default: spef if given, else placement if given, else fan-out",
    )
    timing.add_argument(
        "--delay-model", choices=("lumped_cap", "elmore", "two_moment", "dmp"), help="default: dmp where wires have R"
    )
    timing.add_argument(
        "--model", metavar="CHECKPOINT", help="learned wires ('shipped': ours); without it the answer is analytic"
    )
    timing.add_argument("--reference", metavar="FILE", help="SPEF, or a pins.csv, to compare the answer with")
    timing.add_argument("--known", metavar="P.spef", help="parasitics of some nets, which calibrate --model")
    timing.add_argument("--calibration", metavar="JSON", help="constants of placed wires, from calibrate timing")
    timing.add_argument("--black-box", action="store_true", help="keep unknown cell types opaque, without arcs")
    timing.add_argument("--break-loops", action="store_true", help="cut combinational loops")
    timing.add_argument("--ignore-sdc", action="store_true", help="count SDC commands that are not supported, go on")
    timing.add_argument(
        "--block-size", type=int, metavar="N", help="most pins held at once; the result does not change"
    )
    timing.add_argument("--paths", type=int, default=5, metavar="N", help="worst paths in the report")
    timing.add_argument("-o", "--output", required=True, metavar="DIR")
    timing.add_argument("--json", action="store_true")


def _run_predict(options: argparse.Namespace) -> int:
    from tasks.timing.predict import predict_timing

    return _answer(options, predict_timing(options, _say))


def _calibrate(commands: Any) -> None:
    command = _command(commands, "calibrate", "Fit what a task needs to know of your flow.", _run_calibrate)
    tasks = command.add_subparsers(dest="task", metavar="TASK", required=True)
    timing = _command(
        tasks, "timing", "The four constants of placed wires, from a routed block or some of its nets.", _run_calibrate
    )
    timing.add_argument("--def", dest="placement", required=True, metavar="D.def")
    timing.add_argument("--lef", action="append", required=True, metavar="L.lef")
    timing.add_argument("--spef", required=True, metavar="P.spef")
    timing.add_argument("--nets", type=int, metavar="N", help="use only N random nets; default: all")
    timing.add_argument("--seed", type=int, default=0, help="of the choice of nets")
    timing.add_argument("--trees", choices=("steiner", "spanning"), default="steiner")
    timing.add_argument("--black-box", action="store_true", help="leave out cells whose type is in no LEF")
    timing.add_argument("-o", "--output", required=True, metavar="JSON")
    timing.add_argument("--json", action="store_true")


def _run_calibrate(options: argparse.Namespace) -> int:
    from tasks.timing.calibrate import calibrate_timing

    return _answer(options, calibrate_timing(options))


def _evaluate(commands: Any) -> None:
    command = _command(commands, "evaluate", "The honest table of a task: baselines and models.", _run_evaluate)
    command.add_argument("task", choices=("timing", "masked-gates", "pretraining"))
    command.add_argument("--data", metavar="FOLDER", help="corpus; default: the shipped one")
    command.add_argument("--model", metavar="CHECKPOINT", help="encoder; default: the shipped one")
    command.add_argument("--seeds", type=int, default=5, metavar="N")
    table = command.add_argument_group("pretraining")
    table.add_argument("-o", "--output", metavar="RUN", help="folder of encoders and scores; the same one resumes")
    table.add_argument("--also", action="append", metavar="FOLDER", help="a further corpus; may be repeated")
    table.add_argument("--rows", action="append", metavar="NAME", help="only this learned row; may be repeated")
    table.add_argument("--split", action="append", choices=("validation", "test"), help="families asked; default: test")
    table.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="about so many optimiser steps of every learned row, whole epochs; default: 400",
    )
    table.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    command.add_argument("--json", action="store_true")


def _run_evaluate(options: argparse.Namespace) -> int:
    from tasks.evaluation import evaluate

    return _answer(options, evaluate(options, _say))


def _demo(commands: Any) -> None:
    command = _command(commands, "demo", "The whole path on the shipped corpus, in minutes.", _run_demo)
    command.add_argument("-o", "--output", default="runs/demo", metavar="RUN")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--json", action="store_true")


def _run_demo(options: argparse.Namespace) -> int:
    from tasks.demonstration import demonstrate
    from tasks.recipe import MAX_SEED

    if not 0 <= options.seed <= MAX_SEED:
        raise CircuitError("--seed", str(options.seed), f"must lie between 0 and {MAX_SEED}", "give another number")
    return _answer(options, demonstrate(options.output, options.seed, _say))


def _data(commands: Any) -> None:
    command = _command(
        commands, "data", "The shipped corpus, and folders of labelled timing designs: made, or imported.", _run_data
    )
    command.set_defaults(output=None, data=None, json=False)
    _data_arguments(command)
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, what in (
        ("list", "List the families of a corpus."),
        ("verify", "Compare a corpus with its MANIFEST."),
        ("rebuild", "Make the shipped corpus again."),
    ):
        _data_arguments(_command(actions, name, what, _run_data))
    _make_timing(actions)
    _import_timing(actions)


def _data_arguments(command: _Parser) -> None:
    """Options that may stand before or behind the action; what is not given leaves the other's value alone."""
    command.add_argument("-o", "--output", metavar="FOLDER", default=argparse.SUPPRESS, help="where rebuild writes")
    command.add_argument("--data", metavar="FOLDER", default=argparse.SUPPRESS, help="corpus; default: the shipped one")
    command.add_argument("--json", action="store_true", default=argparse.SUPPRESS)


def _run_data(options: argparse.Namespace) -> int:
    from tasks.corpus_command import data_command

    return _answer(options, data_command(options, _say))


def _library_arguments(command: _Parser) -> None:
    command.add_argument("--liberty", action="append", required=True, metavar="LIB")
    command.add_argument("--lef", action="append", required=True, metavar="LEF", help="technology and cells")
    command.add_argument("-o", "--output", required=True, metavar="FOLDER", help="the same command goes on there")
    command.add_argument("--layers", metavar="JSON", help="R and C of layers, or what calibrate timing wrote")
    command.add_argument("--jobs", type=int, default=0, metavar="N", help="worker processes; default: the cores")
    command.add_argument("--time-limit", type=float, default=1800.0, metavar="S", help="of one design; default 1800")
    command.add_argument("--seed", type=int, default=0, help="of placement and splits")
    command.add_argument("--families", metavar="CSV", help="own list: name,family[,split]")
    command.add_argument("--json", action="store_true", default=argparse.SUPPRESS)


def _make_timing(actions: Any) -> None:
    command = _command(
        actions, "make-timing", "Placed designs with estimated wires and labels, from RTL or netlists.", _run_make
    )
    command.add_argument("inputs", nargs="+", metavar="INPUT", help="Verilog files, folders, archives")
    _library_arguments(command)
    command.add_argument("--period", default="auto", metavar="NS", help="of the clock; default: found for each design")
    command.add_argument("--top", help="top module, where a file has several")
    command.add_argument("--utilisation", type=float, default=0.62, metavar="U", help="of the die; default 0.62")
    command.add_argument("--max-fan-out", type=int, default=16, metavar="N", help="larger nets are buffered")
    command.add_argument(
        "--dont-use", action="append", default=[], metavar="PATTERN", help="cells that synthesis leaves alone"
    )
    command.add_argument("--golden", choices=("engine", "opensta"), default="engine", help="what makes the labels")


def _run_make(options: argparse.Namespace) -> int:
    from tasks.timing.factory.make import make_command

    return _answer(options, make_command(options, _say))


def _import_timing(actions: Any) -> None:
    command = _command(
        actions,
        "import-timing",
        "Labelled designs from folders of routed ones, through consistency gates.",
        _run_import,
    )
    command.add_argument("inputs", nargs="+", metavar="FOLDER", help="one design each, or folders of such folders")
    _library_arguments(command)


def _run_import(options: argparse.Namespace) -> int:
    from tasks.timing.factory.importer import import_command

    return _answer(options, import_command(options, _say))


def _doctor(commands: Any) -> None:
    command = _command(commands, "doctor", "What is installed, what is missing and how to get it.", _run_doctor)
    command.add_argument("--json", action="store_true")


def _run_doctor(options: argparse.Namespace) -> int:
    from tasks.doctor import doctor

    answer = doctor()
    _answer(options, answer)
    return 0 if answer["healthy"] else 1


def _answer(options: argparse.Namespace, answer: dict[str, Any]) -> int:
    """Print an answer: its text for people, the rest for machines; of several processes the first one prints."""
    text = answer.pop("text", "")
    if os.environ.get("RANK", "0") != "0":
        return int(answer.get("exit", 0))
    if options.json:
        print(json.dumps(finite(answer), indent=1, allow_nan=False))
    elif text:
        print(text)
    return int(answer.get("exit", 0))


def _say(line: str) -> None:
    """Progress and faults go to standard error."""
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a shared machine
    try:
        options = parser().parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except CircuitError as error:
        _say(str(error))
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        _say("circuitgraph: stopped; a training run is resumed by the same command")
        return 130
    except Exception as error:  # noqa: BLE001 - the last resort: kept in a file, said in one line
        return _fault(error)


def _fault(error: Exception) -> int:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="circuitgraph-fault-", suffix=".txt", delete=False) as file:
        file.write(f"circuitgraph-learn {__version__}\n{' '.join(sys.argv)}\n\n")
        traceback.print_exc(file=file)
    _say(f"circuitgraph: a fault of ours ({type(error).__name__}): the traceback is in {file.name}: please report it")
    return 3


if __name__ == "__main__":
    sys.exit(main())
