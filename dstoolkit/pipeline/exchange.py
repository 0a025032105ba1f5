"""Bundles to and from any storage that fsspec knows: ``file://``, ``s3://``, ``hf://`` and more, or a plain path.

A bundle is verified before it goes out and before it appears under its name here. Storages of objects show an upload
whole or not at all; on others it grows beside, as ``.NAME.partial``, and is renamed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from dstoolkit import stamp
from dstoolkit.errors import ConfigError, DataError, DstoolkitError, FetchError, StampError
from dstoolkit.pipeline.bundle import BLOCK, Bundle

PACKAGES = {  # protocol -> what pip installs for it
    "s3": "dstoolkit[hub]",
    "s3a": "dstoolkit[hub]",
    "hf": "dstoolkit[hub]",
    "http": "aiohttp",
    "https": "aiohttp",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "sftp": "paramiko",
    "ssh": "paramiko",
}
WHOLE = {"s3", "s3a", "hf", "gs", "gcs", "az", "abfs"}  # an object there appears when its upload ends
Progress = Callable[[int], Any]  # told of bytes as they pass


def shown(url: str) -> str:
    """``url`` for messages: without a password, and without a query, which may be a signature."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return url.partition("?")[0]
    return urlunsplit((parts.scheme, host, parts.path, "", "")) if parts.scheme else url


def protocol_of(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else "file"


@contextmanager
def storage(url: str) -> Iterator[tuple[Any, str]]:
    """The filesystem of ``url`` and the path in it. What it raises within the block comes out as FetchError."""
    try:
        yield _open(url)
    except DstoolkitError:
        raise
    except Exception as error:  # a storage's own errors are of any kind
        raise FetchError(shown(url), _reason(error), "", "check the address, the connection and the rights") from error


def _open(url: str) -> tuple[Any, str]:
    import fsspec

    protocol = protocol_of(url)
    if protocol not in fsspec.available_protocols():
        from dstoolkit.config import nearest

        known = ("file", "s3", "hf", "http", "https", "gs", "az", "sftp")
        raise ConfigError(shown(url), f"no storage '{protocol}://'", nearest(protocol, known))
    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(url)
    except ImportError as error:
        package = PACKAGES.get(protocol)
        advice = f"pip install '{package}'" if package else " ".join(str(error).split())
        raise ConfigError(shown(url), f"'{protocol}://' needs a package that is not installed", "", advice) from error
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "not found"
    strerror = getattr(error, "strerror", None)
    return " ".join(str(strerror or error or type(error).__name__).split())[:200].lower()


def push(path: Path, url: str, force: bool = False, progress: Progress = lambda size: None) -> str:
    """Copy a bundle to ``url`` (into it, where it ends in ``/`` or is a folder); the address that it has there.

    Raises DataError for no bundle, StampError where something is there already, FetchError for what the storage says.
    """
    with Bundle(path) as bundle:
        bundle.verify()
    with storage(url) as (system, place):
        if url.endswith("/") or system.isdir(place):
            place, url = f"{place.rstrip('/')}/{path.name}", f"{url.rstrip('/')}/{path.name}"
        if not force and system.exists(place):
            raise StampError(shown(url), "is there already", "", "pass --force to replace it")
        _upload(system, path, place, protocol_of(url) in WHOLE, progress)
        found, wanted = system.info(place)["size"], path.stat().st_size
        if found != wanted:
            raise FetchError(shown(url), f"{found} bytes arrived", f"expected {wanted}", "push it again")
    return shown(url)


def _upload(system: Any, path: Path, place: str, whole: bool, progress: Progress) -> None:
    folder, _, name = place.rpartition("/")
    target = place if whole else f"{folder}/.{name}.partial"
    if not whole and folder:
        system.makedirs(folder, exist_ok=True)
    out = None
    try:
        with path.open("rb") as source:
            out = system.open(target, "wb")
            while block := source.read(BLOCK):
                out.write(block)
                progress(len(block))
            out.close()
        if not whole:
            system.mv(target, place)
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is the one to tell
            _abandon(out) if whole else _close_and_remove(out, system, target)
        raise


def _abandon(out: Any) -> None:
    """Drop an upload: fsspec's files of objects would make one of what was written so far, when closed or forgotten."""
    if out is None:
        return
    try:
        out.discard()
    finally:
        out.closed = True


def _close_and_remove(out: Any, system: Any, target: str) -> None:
    try:
        if out is not None:
            out.close()
    finally:
        system.rm_file(target)


def pull(
    url: str, out: Path | str | None, sha256: str = "", force: bool = False, progress: Progress = lambda size: None
) -> Path:
    """Copy the bundle at ``url`` to ``out``, verified before it appears.

    ``out`` None: its own name, here. Into ``out`` where that is a folder, or ends in ``/``.

    ``sha256`` is what the whole file must have; empty: any. Raises as ``push`` does.
    """
    name = shown(url).rstrip("/").rpartition("/")[2]
    folder = Path(out or ".").is_dir() or str(out).endswith("/")
    target = Path(out or ".") / name if folder else Path(out or name)
    if target.is_dir() or not name:
        raise ConfigError(shown(url), "names no file", "expected the address of a bundle")
    if target.exists() and not force:
        raise StampError(target, "is there already", "", "pass --force to replace it, or choose another --out")
    with stamp.building(target, folder=False) as partial:
        with storage(url) as (system, place), partial.open("wb") as file:
            if system.isdir(place):
                raise ConfigError(shown(url), "is a folder", "expected the address of a bundle")
            with system.open(place, "rb") as source:
                while block := source.read(BLOCK):
                    file.write(block)
                    progress(len(block))
        check_sha256(partial, shown(url), sha256)
        with Bundle(partial, shown(url)) as bundle:
            bundle.verify()
    return target


def check_sha256(path: Path, where: object, wanted: str) -> None:
    """Raises DataError where the whole file has another SHA-256 than ``wanted``; empty: any will do."""
    if wanted and (found := stamp.digest(path)) != wanted.lower():
        raise DataError(where, f"its sha256 is {found}", f"expected {wanted}", "trust neither before you know why")
