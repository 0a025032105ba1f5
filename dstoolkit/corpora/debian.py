"""Packages from Debian and its kin without root: ``apt-get download``, which checks apt's own signatures.

On a system whose package lists are missing (as in most container images), the lists are fetched into the cache first;
that needs no root either. Downloads go to a folder of their own, so that a broken one is never taken for a package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dstoolkit.errors import FetchError

TIMEOUT = 900  # s for one call of apt-get


def find(folder: Path, package: str) -> Path | None:
    """The newest ``package_VERSION_ARCH.deb`` in a folder, by its file's time; None where there is none."""
    found = sorted(folder.glob(f"{package}_*.deb"), key=lambda path: (path.stat().st_mtime, path.name))
    return found[-1] if found else None


def download(packages: Sequence[str], cache: Path, advice: str) -> list[Path]:
    """The packages' ``.deb`` files below ``cache``, fetched where missing. Raises FetchError with ``advice``."""
    missing = [package for package in packages if not find(cache, package)]
    if missing:
        if not shutil.which("apt-get"):
            raise FetchError("apt-get", "not found; this system has no apt", "", advice)
        _fetch(missing, cache, advice)
    found = [find(cache, package) for package in packages]
    return [each for each in found if each]


def _fetch(packages: Sequence[str], cache: Path, advice: str) -> None:
    partial = cache / ".apt.partial"
    partial.mkdir(parents=True, exist_ok=True)
    said = _apt(["download", *packages], partial)
    if "Unable to locate package" in said:
        lists = _private_lists(cache)
        said = _apt([*lists, "update"], partial) or _apt([*lists, "download", *packages], partial)
    if said:
        raise FetchError(" ".join(packages), f"apt-get: {said}", "", advice)
    for package in packages:
        path = find(partial, package)
        if not path:
            raise FetchError(package, "apt-get downloaded no package of this name", "", advice)
        os.replace(path, cache / path.name)
    shutil.rmtree(partial)
    shutil.rmtree(cache / ".apt", ignore_errors=True)


def _private_lists(cache: Path) -> list[str]:
    """Options that keep apt's package lists in the cache, where no root is needed."""
    state = (cache / ".apt").resolve()
    for folder in ("lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State::lists={state}/lists", "-o", f"Dir::Cache={state}/cache", "-o", "Debug::NoLocking=1"]


def _apt(arguments: Sequence[str], folder: Path) -> str:
    """Run apt-get in ``folder``; empty where it succeeded, else what it said."""
    environment = {**os.environ, "LC_ALL": "C"}  # its errors are read here
    try:
        command = ["apt-get", "-q", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"no end after {TIMEOUT} s"
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode(errors="replace").splitlines()
    errors = [line.removeprefix("E: ") for line in lines if line.startswith("E: ")]
    return "; ".join(errors[:2]) or f"ended with status {done.returncode}"
