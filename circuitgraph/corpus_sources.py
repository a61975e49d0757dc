"""What a corpus is built from: files of folders, archives and other corpora, each with what its index says of it.

Archives are unpacked into a folder that the caller removes; nothing else is written. A behavioural Verilog file brings
the files of its folder that define the modules it instantiates; a file whose modules are all instantiated by such a
file is a part of it and no circuit of its own.
"""

from __future__ import annotations

import csv
import io
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from circuitgraph.corpus import MANIFEST, Corpus
from circuitgraph.errors import CircuitError
from circuitgraph.files import hash_file, max_bytes, read_bytes, stem_of
from circuitgraph.formats.detect import FORMATS, detect, suffix_of

INDEX = "index.csv"
ARCHIVES = (".tar", ".tgz", ".txz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst")
PLAIN_FOLDERS = frozenset(
    ("aig", "aigs", "aiger", "bench", "blif", "circuits", "data", "netlist", "netlists", "rtl", "src", "verilog")
)
"""Names of folders that say how files are written, not where they come from."""
MAX_SCANNED = 4 << 20
"""Longer Verilog files are taken for netlists: they are not searched for modules of other files."""
BEHAVIOUR = re.compile(
    rb"\b(?:always|always_comb|always_ff|always_latch|initial|generate|genvar|function|task|reg|logic|integer|"
    rb"parameter|localparam|typedef)\b"
)
"""Words of RTL; a netlist may hold some of them too, so the reader of netlists is asked first."""
_COMMENT = re.compile(rb"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)
_MODULE = re.compile(rb"\b(?:macromodule|module)\s+([A-Za-z_][A-Za-z0-9_$]*)")
_LABEL = re.compile(rb"\bendmodule\s*:\s*[A-Za-z_][A-Za-z0-9_$]*")
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_$]*")


@dataclass(frozen=True)
class CircuitFile:
    """One file that holds circuits.

    | field | meaning |
    |---|---|
    | name | as people see it: input, folders, file; members of an archive as if it were a folder |
    | path | where its bytes lie now |
    | sha256 | of its bytes and those of its parts, in order |
    | suite | the nearest folder that is not named after a format |
    | format | word of the table of formats |
    | parts | further RTL files that it needs |
    | design, family, split, licence, top | what an index says; "" where none does |
    | listed | whether a MANIFEST.csv says so: its families keep their splits |
    """

    name: str
    path: Path
    sha256: str
    suite: str
    format: str
    parts: tuple[Path, ...] = ()
    design: str = ""
    family: str = ""
    split: str = ""
    licence: str = ""
    top: str = ""
    listed: bool = False


@dataclass
class Found:
    """What the inputs hold: circuits, libraries of other corpora, why files were skipped, what could not be read."""

    files: list[CircuitFile] = field(default_factory=list)
    libraries: list[Path] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)
    archives: int = 0


@dataclass(frozen=True)
class _Hint:
    """What an index says of one file; ``skip`` is why it gives no circuit."""

    design: str = ""
    family: str = ""
    split: str = ""
    licence: str = ""
    top: str = ""
    skip: str = ""
    listed: bool = False


def find_sources(inputs: Sequence[str | os.PathLike[str]], unpacked: Path, without: Path | None = None) -> Found:
    """Every file of the inputs that holds circuits, in the order of their names.

    Args:
        inputs: folders (searched to the bottom, files of a known suffix), archives, files (of any name).
        unpacked: an empty folder for the members of archives.
        without: a folder that is not entered: the corpus that is built.

    Raises:
        CircuitError: an input is not there.
    """
    found = Found()
    for label, path in zip(_labels(inputs), map(Path, inputs), strict=True):
        if not path.exists():
            raise CircuitError(str(path), "input", "is not there", "name a folder or a file that exists")
        _walk(path, label, unpacked, without.resolve() if without else None, found)
    found.files = _joined_rtl(found)
    found.files.sort(key=lambda file: file.name)
    return found


def _labels(inputs: Sequence[str | os.PathLike[str]]) -> list[str]:
    """A short name for each input: its last part, or more of them where two would be alike."""
    parts = [Path(path).resolve().parts for path in inputs]
    depth = 1
    while True:
        labels = ["/".join(part[-depth:]).strip("/") or "root" for part in parts]
        if len(set(labels)) == len(set(parts)) or depth > max(map(len, parts)):
            return labels
        depth += 1


def _walk(path: Path, label: str, unpacked: Path, without: Path | None, found: Found) -> None:
    """Add what one input holds."""
    if path.is_file() and not _is_archive(path):
        _add(path, label, _Hint(), found, named=True)
        return
    if path.is_file():
        target = unpacked / str(found.archives)
        found.archives += 1
        if not _unpack(path, label, target, found):
            return
        path = target
    hints: dict[Path, _Hint] = {}
    for folder, folders, names in os.walk(path, onerror=lambda error: found.failures.append((label, str(error)))):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and (here / name).resolve() != without)
        hints.update(_hints(here, label, found))
        corpus = any(above / MANIFEST in hints for above in (here, *here.parents))
        for name in sorted(names):
            at = here / name
            shown = "/".join((label, *at.relative_to(path).parts))
            if _is_archive(at):
                _walk(at, _without_suffix(shown), unpacked, None, found)
            elif at in hints or not corpus:
                _add(at, shown, hints.get(at, _Hint()), found)
            else:
                found.skipped["not in the corpus's MANIFEST.csv"] += 1


def _is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVES)


def _without_suffix(name: str) -> str:
    """``a/b.tar.xz`` as ``a/b``."""
    lower = name.lower()
    return name[: -len(next(end for end in sorted(ARCHIVES, key=len, reverse=True) if lower.endswith(end)))]


def _unpack(archive: Path, label: str, target: Path, found: Found) -> bool:
    """Unpack an archive; what is wrong with it is a failure. A folder that only repeats its name is passed over."""
    target.mkdir(parents=True)
    try:
        with _opened(archive) as file:
            total = 0
            for member in file:
                total += member.size
                if total > max_bytes():
                    rule = f"holds more than {max_bytes():,} bytes"
                    raise CircuitError(archive.name, "archive", rule, "raise CIRCUITGRAPH_MAX_BYTES if you trust it")
                if member.isfile() or member.isdir():
                    file.extract(member, target, filter="data")
    except CircuitError as error:
        found.failures.append((label, str(error)))
        return False
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        fault = CircuitError(archive.name, "archive", f"is damaged ({error})", "copy the file again")
        found.failures.append((label, str(fault)))
        return False
    return True


def _opened(archive: Path) -> tarfile.TarFile:
    if archive.suffix.lower() == ".zst":
        return tarfile.open(fileobj=io.BytesIO(_tar_of_zst(archive)))
    return tarfile.open(archive)


def _tar_of_zst(archive: Path) -> bytes:
    """The tar file inside a .zst file.

    Raises:
        CircuitError: zstandard is missing, or the file is damaged.
    """
    try:
        import zstandard
    except ModuleNotFoundError:
        raise CircuitError(archive.name, "file", "is compressed with zstd", "pip install zstandard") from None
    try:
        with archive.open("rb") as file:
            data: bytes = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read(max_bytes())
    except zstandard.ZstdError as error:
        raise CircuitError(archive.name, "archive", f"is damaged ({error})", "copy the file again") from None
    return data


def _hints(folder: Path, label: str, found: Found) -> dict[Path, _Hint]:
    """What the index of a folder says: that of a corpus, or an index.csv whose column ``aig`` names files."""
    if (folder / MANIFEST).is_file():
        try:
            return _corpus_hints(Corpus(folder, cache=""), found)
        except CircuitError as error:
            found.failures.append((f"{label}/{MANIFEST}", str(error)))
            return {}
    if not (folder / INDEX).is_file():
        return {}
    rows = csv.DictReader(io.StringIO(read_bytes(folder / INDEX).decode("utf-8", "replace")))
    hints: dict[Path, _Hint] = {}
    for row in rows:
        if not row.get("aig"):
            return {}
        hints[folder / row["aig"]] = _Hint(family=row.get("family") or "", licence=row.get("licence") or "")
        if row.get("verilog"):
            hints[folder / row["verilog"]] = _Hint(skip="RTL whose AIG is listed beside it")
    return hints


def _corpus_hints(corpus: Corpus, found: Found) -> dict[Path, _Hint]:
    """Netlists and AIGs of a corpus; its libraries are those of the corpus that is built too."""
    hints = {corpus.folder / MANIFEST: _Hint(skip="index")}
    for entry in corpus.index:
        hint = _Hint(entry.design, entry.family, entry.split, entry.licence, entry.top, listed=True)
        if entry.kind not in {"netlist", "aig"}:
            hint = _Hint(skip=f"{entry.kind} of a corpus")
        hints[corpus.path(entry)] = hint
    found.libraries += corpus.library_files
    return hints


def _add(path: Path, shown: str, hint: _Hint, found: Found, named: bool = False) -> None:
    """Add one file, or count why it holds no circuit; *named*: the user named this very file."""
    if hint.skip:
        found.skipped[hint.skip] += 1
        return
    try:
        if path.is_symlink() and not path.exists():
            raise CircuitError(path.name, "file", "is a link to nothing", "remove it")
        suffix = suffix_of(path)
        if not named and not any(suffix in row.suffixes for row in FORMATS):
            found.skipped[f"no known format ({suffix or 'no suffix'})"] += 1
            return
        row = detect(path)
    except CircuitError as error:
        found.failures.append((shown, str(error)))
        return
    if row.gives != "circuit":
        found.skipped[row.name] += 1
        return
    try:
        sha256 = hash_file(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        found.failures.append((shown, f"{path.name}: file: cannot be read ({reason}): check the path and its rights"))
        return
    own = {name: getattr(hint, name) for name in ("design", "family", "split", "licence", "top", "listed")}
    found.files.append(CircuitFile(shown, path, sha256, _suite(shown), row.name, **own))


def _suite(shown: str) -> str:
    """The nearest folder of a name that is not named after a format.

    >>> _suite("digital/aiger/epfl/adder.aig"), _suite("digital/bench/ctrl.bench")
    ('epfl', 'digital')
    """
    folders = shown.split("/")[:-1]
    return next(
        (name for name in reversed(folders) if name.lower() not in PLAIN_FOLDERS), folders[0] if folders else ""
    )


# -- RTL in several files ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scan:
    """Modules that a Verilog file defines, those of other files that it speaks of, whether it is behavioural."""

    modules: frozenset[bytes]
    words: frozenset[bytes]
    is_behavioural: bool


def modules_of(text: bytes) -> tuple[list[str], list[str]]:
    """Names of the modules that a Verilog text defines, and of those that nothing in it instantiates.

    >>> modules_of(b"module a; b u(); endmodule module b; endmodule")
    (['a', 'b'], ['a'])
    """
    text = _COMMENT.sub(b" ", text)
    defined = list(dict.fromkeys(name.decode() for name in _MODULE.findall(text)))
    rest = _LABEL.sub(b" ", _MODULE.sub(b" ", text))
    used = {word.decode() for word in set(_WORD.findall(rest))}
    return defined, [name for name in defined if name not in used] or defined


def _scan(path: Path) -> _Scan:
    try:
        if path.stat().st_size > MAX_SCANNED:
            raise CircuitError(path.name, "file", "is long", "take it alone")
        text = _COMMENT.sub(b" ", read_bytes(path))
    except (CircuitError, OSError):
        return _Scan(frozenset(), frozenset(), False)
    modules = frozenset(_MODULE.findall(text))
    rest = _LABEL.sub(b" ", _MODULE.sub(b" ", text))
    return _Scan(modules, frozenset(_WORD.findall(rest)), BEHAVIOUR.search(text) is not None)


def _joined_rtl(found: Found) -> list[CircuitFile]:
    """The files without those that are parts of others; behavioural files with their parts."""
    folders: dict[Path, list[CircuitFile]] = {}
    for file in found.files:
        if file.format == "verilog" and not file.listed:
            folders.setdefault(file.path.parent, []).append(file)
    changed: dict[Path, CircuitFile | None] = {}
    for files in folders.values():
        if len(files) > 1:
            changed.update(_joined_folder(files))
    found.skipped["part of other RTL"] += sum(file is None for file in changed.values())
    kept = (changed.get(file.path, file) for file in found.files)
    return [file for file in kept if file is not None]


def _joined_folder(files: Sequence[CircuitFile]) -> dict[Path, CircuitFile | None]:
    """What becomes of the files of one folder; a module that two files define belongs to neither."""
    scans = {file.path: _scan(file.path) for file in files}
    count = Counter(module for scan in scans.values() for module in scan.modules)
    home = {module: path for path, scan in scans.items() for module in scan.modules if count[module] == 1}
    needs = {path: sorted(set(_needed(path, scan, home))) for path, scan in scans.items() if scan.is_behavioural}
    used = {part: path for path, parts in needs.items() for part in parts}
    changed: dict[Path, CircuitFile | None] = {}
    for file in files:
        is_part = file.path in used and scans[file.path].modules <= _instantiated(file.path, scans, needs)
        parts = [part for part in _reach(file.path, needs) if part != file.path]
        if is_part and used[file.path] != file.path:
            changed[file.path] = None
        elif parts:
            digests = [file.sha256, *(hash_file(part) for part in parts)]
            changed[file.path] = replace(file, parts=tuple(parts), sha256=" ".join(digests))
    return changed


def _needed(path: Path, scan: _Scan, home: Mapping[bytes, Path]) -> Iterator[Path]:
    for word in scan.words:
        if word in home and home[word] != path and word not in scan.modules:
            yield home[word]


def _instantiated(path: Path, scans: Mapping[Path, _Scan], needs: Mapping[Path, Sequence[Path]]) -> frozenset[bytes]:
    """Modules of a file that behavioural files above it, or it itself, instantiate."""
    words = set(scans[path].words)
    for other, parts in needs.items():
        if path in parts and other not in _reach(path, needs):
            words |= scans[other].words
    return frozenset(words)


def _reach(path: Path, needs: Mapping[Path, Sequence[Path]]) -> list[Path]:
    """Files that a file needs, and what those need, sorted."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        for part in needs.get(waiting.pop(), ()):
            if part not in found:
                found.add(part)
                waiting.append(part)
    return sorted(found)


def design_of(file: CircuitFile) -> str:
    """Name of a file's design: what an index says, else the file's own name."""
    return file.design or stem_of(file.name)
