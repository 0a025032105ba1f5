"""Archives from strangers, unpacked safely: tar (plain, gz, bz2, xz), zip and Debian packages.

Nothing is written outside the target folder, whatever the archive says: absolute names, ``..``, links that lead
outside, devices and pipes are refused. Links are made last, so that nothing is written through one, and a link to what
is not in the archive is left out. Owners, modes and times are not taken over. The folder appears whole or not at all
(``stamp.building``), and its stamp says which archive it came from.

A ``.deb`` is an ``ar`` archive (deb(5)) whose ``data.tar.*`` holds the files; one in zstd needs ``dpkg-deb``.
"""

from __future__ import annotations

import io
import lzma
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from dstoolkit import stamp
from dstoolkit.corpora.fetch import disk_error, download
from dstoolkit.errors import FetchError

AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60  # bytes: name 16, time 12, owner 6, group 6, mode 8, size 10, end 2
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError)
REMOVE = "remove it and fetch it again"


def fetched(url: str, archive: Path, checksum: str, folder: Path) -> Path:
    """What the archive at ``url`` holds, in ``folder``; neither fetched nor unpacked twice. Raises FetchError."""
    if folder.is_dir() and stamp.read(folder) and not archive.exists():
        return folder  # unpacked, and the archive removed by hand
    return unpack(download(url, archive, checksum), folder)


def unpack(archive: Path, folder: Path) -> Path:
    """The archive's files in ``folder``; nothing to do where a former call made it. Raises FetchError."""
    try:
        made_by = stamp.Stamp("unpack", {"archive": archive.name, "bytes": archive.stat().st_size})
        if folder.is_dir() and stamp.read(folder) == made_by:
            return folder
        with stamp.building(folder, made_by) as partial:
            _unpack(archive, partial)
    except DAMAGED as error:
        raise FetchError(archive, f"damaged: {' '.join(str(error).split()).lower()}", "", REMOVE) from error
    except OSError as error:
        raise _os_error(archive, folder, error) from error
    return folder


def _os_error(archive: Path, folder: Path, error: OSError) -> FetchError:
    if error.errno is None:  # gzip.BadGzipFile and bz2 speak through OSError
        return FetchError(archive, f"damaged: {error}", "", REMOVE)
    return disk_error(folder, error)


def _unpack(archive: Path, folder: Path) -> None:
    with archive.open("rb") as file:
        magic = file.read(len(AR_MAGIC))
    if magic == AR_MAGIC:
        with _package(archive, folder) as content:
            _untar(archive, content, folder)
    elif magic[:2] == b"PK":
        _unzip(archive, folder)
    else:
        with archive.open("rb") as file:
            _untar(archive, file, folder)


def safe_name(archive: Path, name: str) -> PurePosixPath:
    """A member's name, if it stays below the folder. Raises FetchError."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise FetchError(archive, f"holds '{name}'", "expected names below its own folder", "unpacked nothing")
    return path


def _untar(archive: Path, file: IO[bytes], folder: Path) -> None:
    from tqdm import tqdm

    links: list[tuple[Path, str]] = []
    quiet = not sys.stderr.isatty()
    with tarfile.open(fileobj=file, mode="r:*") as tar, tqdm(desc=f"unpack {archive.name}", disable=quiet) as bar:
        for member in tar:
            path = folder / safe_name(archive, member.name)
            if member.issym():
                links.append((path, member.linkname))
            elif member.islnk():
                _hard_link(archive, folder / safe_name(archive, member.linkname), path)
            elif member.isdir():
                path.mkdir(parents=True, exist_ok=True)
            elif member.isreg():
                _write(tar.extractfile(member), path)
            else:
                raise FetchError(archive, f"holds a device or pipe, '{member.name}'", "", "unpacked nothing")
            bar.update()
            tar.members = []  # type: ignore[attr-defined]  # or it would remember every one
    _make_links(archive, folder, links)


def _write(source: IO[bytes] | None, path: Path) -> None:
    assert source is not None, "regular files have content"
    path.parent.mkdir(parents=True, exist_ok=True)
    with source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _hard_link(archive: Path, source: Path, path: Path) -> None:
    if not source.is_file():
        raise FetchError(archive, f"links '{path.name}' to '{source.name}'", "which it does not hold", REMOVE)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, path)


def _make_links(archive: Path, folder: Path, links: list[tuple[Path, str]]) -> None:
    """Symbolic links, each checked where it really leads once all are made."""
    for path, target in links:
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path):
            raise FetchError(archive, f"holds '{path.name}' twice", "", "unpacked nothing")
        path.symlink_to(target)
    root = folder.resolve()
    for path, target in links:
        if os.path.isabs(target) or _circular(path) or not Path(os.path.realpath(path)).is_relative_to(root):
            raise FetchError(archive, f"holds a link '{path.name}' to '{target}', outside it", "", "unpacked nothing")
    for path, _ in links:
        if not path.exists():
            path.unlink()


def _circular(path: Path) -> bool:
    """Whether a link leads back to itself, maybe through others."""
    try:
        path.stat()
    except FileNotFoundError:
        return False  # it leads to what the archive does not hold
    except OSError:
        return True
    return False


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        for member in content.infolist():
            path = folder / safe_name(archive, member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise FetchError(archive, f"holds a link or device, '{member.filename}'", "", "unpacked nothing")
            if member.flag_bits & 1:
                raise FetchError(archive, f"holds '{member.filename}' encrypted", "", "unpack it by hand")
            if member.is_dir():
                path.mkdir(parents=True, exist_ok=True)
            else:
                _write(content.open(member), path)


@contextmanager
def _package(archive: Path, folder: Path) -> Iterator[IO[bytes]]:
    """The tar archive of a Debian package's files, still compressed or already plain."""
    name, content = _data_member(archive)
    if not name.endswith(".zst"):
        yield content
        return
    if not shutil.which("dpkg-deb"):
        raise FetchError(archive, f"its '{name}' is compressed with zstd", "", "install dpkg, which can read it")
    plain = folder / ".data.tar"  # in the partial folder, so that it goes with it whatever happens
    with plain.open("w+b") as file:
        done = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], stdout=file, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise FetchError(archive, f"damaged: {done.stderr.decode(errors='replace').strip()}", "", REMOVE)
        file.seek(0)
        plain.unlink()
        yield file


def _data_member(archive: Path) -> tuple[str, IO[bytes]]:
    """The member ``data.tar*`` of an ``ar`` archive. Raises FetchError."""
    with archive.open("rb") as file:
        file.seek(len(AR_MAGIC))
        while len(header := file.read(AR_HEADER)) == AR_HEADER:
            name, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), int(header[48:58])
            if name.startswith("data.tar"):
                content = file.read(size)
                if len(content) == size:
                    return name, io.BytesIO(content)
                break
            file.seek(size + size % 2, os.SEEK_CUR)
    raise FetchError(archive, "damaged: no whole 'data.tar'", "expected a Debian package", REMOVE)
