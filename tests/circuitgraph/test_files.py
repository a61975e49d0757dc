"""Files: limits, compression, atomic writes, locks; and the CircuitError of each fault."""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import os
import pickle
import sys
import tarfile
from pathlib import Path

import pytest
import zstandard

from circuitgraph import files
from circuitgraph.errors import CircuitError, Notes
from circuitgraph.files import atomic_path, folder_lock, read_bytes, stem_of, write_atomic


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress, zstandard.ZstdCompressor().compress])
def test_reads_plain_and_compressed_by_content_not_by_name(tmp_path: Path, compress: object) -> None:
    path = tmp_path / "a.whatever"
    path.write_bytes(compress(b"hello\n" * 100))  # type: ignore[operator]
    assert read_bytes(path) == b"hello\n" * 100


def test_a_tar_with_one_member_inside_gzip(tmp_path: Path) -> None:
    def archive(names: list[str]) -> bytes:
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w:gz") as file:
            for name in names:
                info = tarfile.TarInfo(name)
                info.size = 3
                file.addfile(info, io.BytesIO(b"abc"))
        return held.getvalue()

    (tmp_path / "one.v.gz").write_bytes(archive(["x/a.v"]))
    assert read_bytes(tmp_path / "one.v.gz") == b"abc"
    (tmp_path / "two.v.gz").write_bytes(archive(["a.v", "b.v"]))
    with pytest.raises(CircuitError, match="holds 2 files, not one"):
        read_bytes(tmp_path / "two.v.gz")


def test_faults_are_one_line_of_four_parts(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "cut.xz").write_bytes(lzma.compress(bytes(range(256)) * 50)[:-9])
    for path, said in (
        (tmp_path / "none", "cannot be read (no such file or directory)"),
        (tmp_path, "is not a file"),
        (tmp_path / "empty", "is empty"),
        (tmp_path / "cut.xz", "is damaged"),
    ):
        with pytest.raises(CircuitError) as caught:
            read_bytes(path)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
        assert str(caught.value).count(": ") >= 3


def test_a_decompression_bomb_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bomb.xz").write_bytes(lzma.compress(bytes(30 << 20)))
    with pytest.raises(CircuitError, match="CIRCUITGRAPH_MAX_BYTES"):
        read_bytes(tmp_path / "bomb.xz", limit=1 << 20)
    monkeypatch.setenv("CIRCUITGRAPH_MAX_BYTES", "1000")
    with pytest.raises(CircuitError, match="holds more than 1,000 bytes"):
        read_bytes(tmp_path / "bomb.xz")
    monkeypatch.setenv("CIRCUITGRAPH_MAX_BYTES", "many")
    with pytest.raises(CircuitError, match="must be a number of bytes"):
        read_bytes(tmp_path / "bomb.xz")


def test_a_ratio_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "RATIO_FREE_BYTES", 1000)
    monkeypatch.setattr(files, "MAX_RATIO", 10)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(1 << 20)))
    with pytest.raises(CircuitError, match="holds more than"):
        read_bytes(tmp_path / "bomb.gz")


def test_an_atomic_write_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.txt"
    write_atomic(target, "old")

    def half() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert target.read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("failing", ["fsync", "replace", "mkstemp"])
def test_every_failing_step_of_a_write_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_atomic(tmp_path / "a", "old")
    if failing == "fsync":
        monkeypatch.setattr(files.os, "fsync", fail)
    elif failing == "replace":
        monkeypatch.setattr(files.Path, "replace", fail)
    else:
        monkeypatch.setattr(files.tempfile, "mkstemp", fail)
    with pytest.raises(CircuitError, match="no space left on device"):
        write_atomic(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    with folder_lock(tmp_path), pytest.raises(CircuitError, match="in use by another process"), folder_lock(tmp_path):
        pass
    with folder_lock(tmp_path):
        pass


def test_small_things() -> None:
    assert stem_of("x/top.v.gz") == stem_of("x/top.v.GZ") == "top"
    notes = Notes()
    for row in range(5):
        notes.add("skipped", f"a:{row}")
    assert notes.lines() == ["skipped: 5 (first: a:0, a:1, a:2)"]
    error = CircuitError("a:1", "x", "y", "z\nnext")
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == "a:1: x: y: z next"


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst", ".GZ"])
def test_a_compressed_name_gets_compressed_bytes_the_same_each_time(tmp_path: Path, suffix: str) -> None:
    content = "hello\n" * 1000
    one, other = write_atomic(tmp_path / f"a{suffix}", content), write_atomic(tmp_path / f"b{suffix}", content)
    assert one.read_bytes().startswith(files.MAGIC[suffix.lower()])
    assert one.read_bytes() == other.read_bytes()
    assert len(one.read_bytes()) < 200
    assert read_bytes(one) == content.encode()
    if suffix.lower() == ".gz":
        assert one.read_bytes()[3:8] == bytes(5), "neither name nor time in the header"


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_what_is_compressed_already_is_written_as_it_is(tmp_path: Path, suffix: str) -> None:
    packers = {
        ".gz": lambda data: gzip.compress(data, mtime=7),
        ".xz": lambda data: lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC64, 9 | lzma.PRESET_EXTREME),
        ".zst": zstandard.ZstdCompressor(level=19).compress,
    }
    packed = packers[suffix](b"hello\n" * 1000)
    assert write_atomic(tmp_path / f"a{suffix}", packed).read_bytes() == packed
    assert write_atomic(tmp_path / "a.bin", b"plain").read_bytes() == b"plain"


def test_zst_without_zstandard_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(CircuitError, match=r"a\.v\.zst: file: is to be compressed with zstd: pip install zstandard"):
        write_atomic(tmp_path / "a.v.zst", "module m(); endmodule")
    assert not list(tmp_path.iterdir())
