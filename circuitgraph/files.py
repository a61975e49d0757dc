"""Files: read with limits, written under a temporary name and renamed, locked, hashed.

Every file that the project writes goes through :func:`write_atomic` or :func:`atomic_path`;
every file that it reads goes through :func:`read_bytes`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast

from circuitgraph.errors import CircuitError, quoted

MAX_BYTES = 8 << 30
MAX_RATIO = 1000
RATIO_FREE_BYTES = 16 << 20
CHUNK = 1 << 20

MAGIC = {".gz": b"\x1f\x8b", ".xz": b"\xfd7zXZ\x00", ".zst": b"\x28\xb5\x2f\xfd"}
"""Suffix of each compression and the bytes that its files begin with."""

Source = str | os.PathLike[str] | BinaryIO


class _Decompressor(Protocol):
    def read(self, size: int, /) -> bytes: ...


def max_bytes() -> int:
    """Limit on bytes after decompression; the setting is the variable CIRCUITGRAPH_MAX_BYTES."""
    text = os.environ.get("CIRCUITGRAPH_MAX_BYTES", "")
    if not text:
        return MAX_BYTES
    if not text.isdigit():
        raise CircuitError("CIRCUITGRAPH_MAX_BYTES", repr(text), "must be a number of bytes", "unset it or give digits")
    return int(text)


def name_of(source: Source) -> str:
    """The name under which messages speak of *source*: the last part of its path."""
    if isinstance(source, (str, os.PathLike)):
        return Path(source).name
    name = getattr(source, "name", "")
    return Path(name).name if isinstance(name, str) and name else "stream"


def read_bytes(source: Source, limit: int | None = None) -> bytes:
    """The bytes of a file, decompressed when its first bytes say gzip, xz or zstd.

    Args:
        source: a path, or a binary stream.
        limit: most bytes after decompression; the default is :func:`max_bytes`.

    Raises:
        CircuitError: the file cannot be read, is damaged, is empty, or expands beyond the limit.
    """
    limit = max_bytes() if limit is None else limit
    name = name_of(source)
    try:
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            if path.is_dir():
                raise CircuitError(str(path), "folder", "is not a file", "name the files in it")
            with path.open("rb") as file:
                raw = file.read(limit + 1)
        else:
            raw = source.read(limit + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CircuitError(str(source), "file", f"cannot be read ({reason})", "check the path and its rights") from None
    if len(raw) > limit:
        raise _over_limit(name, limit)
    data = _decompressed(raw, name, limit)
    if not data:
        raise CircuitError(name, "file", "is empty", "check how it was written")
    return data


def _over_limit(name: str, limit: int) -> CircuitError:
    return CircuitError(
        name, "file", f"holds more than {limit:,} bytes", "raise CIRCUITGRAPH_MAX_BYTES if you trust it"
    )


def _decompressed(raw: bytes, name: str, limit: int) -> bytes:
    stream: IO[bytes]
    if raw.startswith(MAGIC[".gz"]):
        import gzip

        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=io.BytesIO(raw)))
    elif raw.startswith(MAGIC[".xz"]):
        import lzma

        stream = cast("IO[bytes]", lzma.LZMAFile(io.BytesIO(raw)))  # noqa: SIM115 - in memory
    elif raw.startswith(MAGIC[".zst"]):
        try:
            import zstandard
        except ModuleNotFoundError:
            raise CircuitError(name, "file", "is compressed with zstd", "pip install zstandard") from None
        stream = cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True))
    else:
        return raw
    allowed = min(limit, max(RATIO_FREE_BYTES, MAX_RATIO * len(raw)))
    parts: list[bytes] = []
    total = 0
    try:
        while chunk := stream.read(CHUNK):
            total += len(chunk)
            if total > allowed:
                raise _over_limit(name, allowed)
            parts.append(chunk)
    except CircuitError:
        raise
    except Exception as error:  # noqa: BLE001 - gzip, lzma, zlib and zstandard each raise their own kind
        raise CircuitError(name, "compressed file", f"is damaged ({error})", "copy the file again") from None
    data = b"".join(parts)
    return _only_member(data, name) if data[257:262] == b"ustar" else data


def _only_member(data: bytes, name: str) -> bytes:
    """The one member of a tar archive that hides inside a compressed file."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            members = [member for member in archive.getmembers() if member.isfile()]
            if len(members) == 1:
                file = archive.extractfile(members[0])
                assert file is not None
                return file.read()
    except tarfile.TarError as error:
        raise CircuitError(name, "archive", f"is damaged ({error})", "copy the file again") from None
    found = quoted([member.name for member in members]) or "none"
    raise CircuitError(name, "archive", f"holds {len(members)} files, not one ({found})", "unpack it and name the file")


def stem_of(source: Source) -> str:
    """Name of a file without its format's and its compression's suffix.

    >>> stem_of("a/adder.v.gz")
    'adder'
    """
    path = Path(name_of(source))
    if path.suffix.lower() in MAGIC:
        path = path.with_suffix("")
    return path.with_suffix("").name


@contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside *target* that becomes *target* when the block ends without an error.

    Nothing is left behind when it ends with one.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    except OSError as error:
        raise _cannot_write(target, error) from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _cannot_write(target, error) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _cannot_write(target: Path, error: OSError) -> CircuitError:
    reason = (error.strerror or str(error)).lower()
    return CircuitError(str(target), "file", f"cannot be written ({reason})", "choose another folder with -o")


def check_writable(target: str | os.PathLike[str]) -> None:
    """Refuse a target that can never be written, before long work; makes nothing.

    Raises:
        CircuitError: the nearest folder above it that exists is a file, or gives no right to write.
    """
    target = Path(target)
    above = next((path for path in target.parents if path.exists()), None)
    if above is None:
        return
    fault = errno.ENOTDIR if not above.is_dir() else errno.EACCES if not os.access(above, os.W_OK) else 0
    fault = fault or (errno.EISDIR if target.is_dir() else 0)
    if fault:
        raise _cannot_write(target, OSError(fault, os.strerror(fault)))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_atomic(target: str | os.PathLike[str], content: bytes | str) -> Path:
    """Write *content* so that either the old file or the whole new one is there.

    A target that ends in .gz, .xz or .zst is compressed, the same bytes every time; content that already begins as
    such a file does stays as it is.

    Returns:
        The path written.

    Raises:
        CircuitError: the folder or the file cannot be written, or zstandard is missing.
    """
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    data = _compressed(data, Path(target))
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        file.write(data)
    return Path(target)


def _compressed(data: bytes, target: Path) -> bytes:
    """The bytes that a file of this name holds; nothing in them depends on the time or the path."""
    suffix = target.suffix.lower()
    if suffix not in MAGIC or data.startswith(MAGIC[suffix]):
        return data
    if suffix == ".gz":
        import gzip

        held = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=held, mtime=0) as file:
            file.write(data)
        return held.getvalue()
    if suffix == ".xz":
        import lzma

        return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC64)
    try:
        import zstandard
    except ModuleNotFoundError:
        raise CircuitError(
            str(target), "file", "is to be compressed with zstd", "pip install zstandard, or write .gz or .xz"
        ) from None
    return bytes(zstandard.ZstdCompressor().compress(data))


def hash_bytes(*parts: bytes) -> str:
    """sha256 of the parts, each preceded by its length, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def hash_file(path: str | os.PathLike[str]) -> str:
    """sha256 of a file's bytes, as ``sha256sum`` prints it."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def folder_lock(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Hold *folder* for this process alone; the lock ends with the process, however it ends.

    Raises:
        CircuitError: another process holds it.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    except OSError as error:
        raise _cannot_write(folder, error) from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CircuitError(
                str(folder), "run folder", "is in use by another process", "wait for it, or choose another with -o"
            ) from None
        yield
    finally:
        file.close()
