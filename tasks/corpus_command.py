"""``circuitgraph data``: what the shipped corpus holds, whether its files are whole, and how it is made again."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from circuitgraph.corpus import Corpus, shipped_folder
from circuitgraph.errors import CircuitError
from tasks.table import text_table

Say = Callable[[str], None]


def data_command(options: argparse.Namespace, say: Say) -> dict[str, Any]:
    """list, verify or rebuild."""
    if options.action == "rebuild":
        return _rebuild(options, say)
    folder = Path(options.data) if options.data else shipped_folder()
    if options.action == "verify":
        return _verify(folder)
    return _list(folder)


def _list(folder: Path) -> dict[str, Any]:
    corpus = Corpus(folder)
    rows = []
    for family, split in sorted(
        corpus.families(("netlist", "aig", "placed")).items(), key=lambda item: (item[1], item[0])
    ):
        kinds = Counter(entry.kind for entry in corpus.index if entry.family == family)
        own = {"netlists": kinds["netlist"], "AIGs": kinds["aig"], "placed": kinds["placed"]}
        rows.append({"family": family, "split": split, **own})
    total = {name: sum(int(row[name]) for row in rows) for name in ("netlists", "AIGs", "placed")}
    text = text_table([*rows, {"family": "all", "split": "", **total}], f"{corpus.folder}")
    return {"folder": str(folder), "families": rows, "total": total, "text": text}


def _verify(folder: Path) -> dict[str, Any]:
    from circuitgraph.corpus_build import ABOUT
    from tasks.corpus_recipe import read_manifest, verify

    if (folder / ABOUT).is_file():
        return _verify_built(folder)
    faults = verify(folder)
    if faults:
        more = f" (and {len(faults) - 1:,} more)" if faults[1:] else ""
        raise CircuitError(
            str(folder), "corpus", f"differs from its MANIFEST: {faults[0]}{more}", "git checkout data, or data rebuild"
        )
    files = len(read_manifest(folder))
    return {"folder": str(folder), "files": files, "text": f"{folder}: {files:,} files are as the MANIFEST says"}


def _verify_built(folder: Path) -> dict[str, Any]:
    """The same of a corpus that ``build`` made: every listed file is there with its bytes, and no pickle beside it."""
    from circuitgraph.files import hash_file

    corpus = Corpus(folder)
    faults = []
    for entry in corpus.index:
        path = corpus.path(entry)
        if not path.is_file():
            faults.append(f"{entry.file}: is missing")
        elif hash_file(path) != entry.sha256:
            faults.append(f"{entry.file}: differs from the MANIFEST")
    if faults:
        more = f" (and {len(faults) - 1:,} more)" if faults[1:] else ""
        raise CircuitError(
            str(folder), "corpus", f"differs from its MANIFEST: {faults[0]}{more}", "run the same build again"
        )
    files = len(corpus.index)
    return {"folder": str(folder), "files": files, "text": f"{folder}: {files:,} files are as the MANIFEST says"}


def _rebuild(options: argparse.Namespace, say: Say) -> dict[str, Any]:
    from tasks.corpus_recipe import rebuild, verify, write_manifest

    if not options.output:
        raise CircuitError("-o", "option", "says where rebuild writes", "give -o FOLDER")
    folder = Path(options.output)
    rebuild(folder, progress=say)
    _train_models(folder, say)
    write_manifest(folder)
    faults = verify(folder)
    if faults:
        raise CircuitError(
            str(folder), "rebuilt corpus", f"differs from its own MANIFEST: {faults[0]}", "please report it"
        )
    text = f"{folder}: rebuilt; compare with diff -r data {folder}"
    return {"folder": str(folder), "text": text}


def _train_models(folder: Path, say: Say) -> None:
    """Make the shipped encoders again from the rebuilt corpus; the same bits on the same kind of machine."""
    import shutil
    import tempfile

    from encoders.checkpoint import paths_of
    from tasks.training import default_pretraining, run_pretraining

    (folder / "models").mkdir(exist_ok=True)
    for view in ("logic", "timing"):
        recipe = default_pretraining(view)
        part = recipe.data.model_copy(update={"folder": str(folder.resolve())})
        with tempfile.TemporaryDirectory() as place:
            run_pretraining(recipe.model_copy(update={"data": part}), place, say)
            for file in paths_of(Path(place) / "checkpoints" / "encoder"):
                shutil.copyfile(file, folder / "models" / file.name.replace("encoder", view))
