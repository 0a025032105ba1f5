"""Downloads that can be trusted: resumed where they stopped, checked, and at their place whole or not at all.

A file grows in ``NAME.part`` beside its place, with the server's mark of its version (``ETag`` or ``Last-Modified``) in
``NAME.part.version``, and is renamed when its length and checksum are right. What is there after an interruption is
gone on with by an HTTP range request (RFC 9110, sections 13.1.5 and 14.2); a server that knows no ranges, or whose file
has changed, sends the whole again. A wrong checksum deletes what was received.

A checksum is written ``sha256:HEX`` or ``md5:HEX``; empty where the source publishes none.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import logging
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dstoolkit import __version__, stamp
from dstoolkit.errors import FetchError

log = logging.getLogger(__name__)

TIMEOUT = 30.0  # s without a byte
ATTEMPTS = 4  # connections in a row that bring nothing new
PAUSE = 1.0  # s before the second attempt, doubled each time
BLOCK = 1 << 16  # bytes
ADVICE = "check the connection and run the same command again, or pass --corpus DIR with a copy"


class Dropped(Exception):
    """The connection ended early; what came is kept."""


@dataclass(frozen=True)
class Job:
    """One download: from where, to where."""

    url: str
    target: Path

    @property
    def part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def version(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part.version")

    @property
    def received(self) -> int:
        """Bytes on disk already."""
        return self.part.stat().st_size if self.part.exists() else 0

    def discard(self) -> None:
        stamp.remove(self.part)
        stamp.remove(self.version)


def download(url: str, target: Path, checksum: str = "") -> Path:
    """Fetch ``url`` to ``target``; nothing to do where that is there with the right checksum. Raises FetchError."""
    if target.exists() and (not checksum or matches(target, checksum)):
        return target
    if not url.startswith(("http://", "https://")):
        raise FetchError(url, "not an http or https address", "", "pass --corpus DIR for a copy on disk")
    job = Job(url, target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _receive(job)
        if checksum and not matches(job.part, checksum):
            found = digest(job.part, checksum.partition(":")[0])
            job.discard()
            raise FetchError(url, f"received a file with {found}", f"expected {checksum}", f"deleted it; {ADVICE}")
        stamp.sync(job.part)
        os.replace(job.part, target)
        stamp.remove(job.version)
    except OSError as error:
        raise disk_error(target, error) from error
    return target


def matches(path: Path, checksum: str) -> bool:
    """Whether a file has the checksum ``algorithm:HEX``."""
    return digest(path, checksum.partition(":")[0]) == checksum.lower()


def digest(path: Path, algorithm: str) -> str:
    """``algorithm:HEX`` of a file's bytes."""
    hasher = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return f"{algorithm}:{hasher.hexdigest()}"


def disk_error(where: Path, error: OSError) -> FetchError:
    """What the disk refused, with what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FetchError(where, "no space left on device", "", "free some space and run the same command again")
    return FetchError(error.filename or where, (error.strerror or str(error)).lower())


def _receive(job: Job) -> None:
    """Fill ``job.part``, going on after dropped connections as long as each brings something."""
    failures, why = 0, ""
    while failures < ATTEMPTS:
        before = job.received
        try:
            return _connect(job)
        except Dropped as error:
            why = str(error)
            failures = 1 if job.received > before else failures + 1
            log.info("%s: %s after %d bytes", job.url, why, job.received)
        if failures < ATTEMPTS:
            time.sleep(PAUSE * 2 ** (failures - 1))
    raise FetchError(job.url, f"download failed: {why}", f"{job.received} bytes are kept in '{job.part}'", ADVICE)


def _request(job: Job) -> urllib.request.Request:
    headers = {"User-Agent": f"dstoolkit/{__version__}"}
    if job.received:
        headers["Range"] = f"bytes={job.received}-"
        if job.version.exists():
            headers["If-Range"] = job.version.read_text(encoding="utf-8")
    return urllib.request.Request(job.url, headers=headers)


def _connect(job: Job) -> None:
    """One connection. Raises Dropped where another may succeed, FetchError where none will."""
    try:
        response = urllib.request.urlopen(_request(job), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        _refused(job, error)
    except urllib.error.URLError as error:
        raise FetchError(job.url, f"cannot be reached: {_reason(error.reason)}", "", ADVICE) from error
    except (http.client.HTTPException, OSError) as error:  # the server hung up, or said nothing in time
        raise Dropped(_reason(error)) from error
    else:
        with response:
            _save(job, response)


def _refused(job: Job, error: urllib.error.HTTPError) -> None:
    if error.code == 416:  # the part is as long as the file, or longer: never seen again, so begin anew
        job.discard()
        raise Dropped("the server's file has changed")
    if error.code >= 500 or error.code == 429:
        raise Dropped(f"the server answered {error.code} {error.reason}".lower())
    raise FetchError(job.url, f"the server answered {error.code} {error.reason}".lower(), "", ADVICE) from error


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    return str(getattr(error, "strerror", None) or error or type(error).__name__).lower()


def _save(job: Job, response: http.client.HTTPResponse) -> None:
    """The body of ``response`` into ``job.part``, after what is there if the server goes on from it."""
    resumed = response.status == 206 and _first_byte(response) == job.received
    if response.status == 206 and not resumed:
        job.discard()
        raise Dropped("the server sent another range")
    start = job.received if resumed else 0
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else None
    _check_space(job, total, start)
    _keep_version(job, response)
    with job.part.open("ab" if resumed else "wb") as file:
        _copy(job, response, file, start, total)
    if total is not None and job.received < total:
        raise Dropped(f"the connection ended after {job.received} of {total} bytes")


def _first_byte(response: http.client.HTTPResponse) -> int:
    """``Content-Range: bytes 500-999/1000`` -> 500; -1 where it says something else."""
    first = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdecimal() else -1


def _keep_version(job: Job, response: http.client.HTTPResponse) -> None:
    etag = response.headers.get("ETag", "")
    strong = etag if etag and not etag.startswith("W/") else ""  # a weak one may not stand in If-Range
    version = strong or response.headers.get("Last-Modified", "")
    if version:
        stamp.write_text(job.version, version)
    else:
        stamp.remove(job.version)


def _check_space(job: Job, total: int | None, start: int) -> None:
    free = shutil.disk_usage(job.target.parent).free
    if total is not None and total - start > free:
        megabytes = f"{(total - start) / 1e6:.0f} MB, {free / 1e6:.0f} MB are free"
        raise FetchError(job.target, "no space left on device", f"needs {megabytes}", "free some and run it again")


def _copy(job: Job, response: http.client.HTTPResponse, file: BinaryIO, start: int, total: int | None) -> None:
    from tqdm import tqdm

    shown = {"desc": job.target.name, "unit": "B", "unit_scale": True, "unit_divisor": 1024}
    with tqdm(initial=start, total=total, disable=not sys.stderr.isatty(), **shown) as bar:  # type: ignore[call-overload]
        while block := _read(response):
            file.write(block)
            bar.update(len(block))


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(BLOCK)
    except (http.client.HTTPException, OSError) as error:
        raise Dropped(_reason(error)) from error
