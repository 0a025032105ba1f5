"""Finished-or-absent outputs: an output appears whole or not at all, with a stamp of what made it, from what.

A stamp is the command, its configuration and the digests of its inputs. An output with the same stamp is done; one
with another stamp is refused, naming the difference, unless forced. A folder carries its stamp inside
(``stamp.json``); a file has it beside (``features.h5.stamp.json``), renamed into place after the file, so that a file
without a stamp counts as absent. Nothing is ever written in place: outputs grow in ``.NAME.partial`` beside, are
synced, and renamed; what a killed run left there is swept by the next.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dstoolkit.errors import DataError, Faults, StampError

STAMP = "stamp.json"
LEFT_BEHIND = re.compile(r"\..+\.(partial|old)")  # the names that a killed run may leave
MISSING = object()


@dataclass(frozen=True)
class Stamp:
    """What made an output: the command's name, its whole configuration, and a digest per named input."""

    command: str
    config: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"command": self.command, "config": dict(self.config), "inputs": dict(self.inputs)}


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, or of the names and bytes of a folder's files, what killed runs left apart."""
    hasher = hashlib.sha256()
    if path.is_dir():
        for each in sorted(each for each in path.rglob("*") if each.is_file()):
            if any(LEFT_BEHIND.fullmatch(part) for part in each.relative_to(path).parts):
                continue
            hasher.update(f"{each.relative_to(path)}\0{digest(each)}\n".encode())
        return hasher.hexdigest()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


def origin(path: Path) -> str:
    """What ``path`` is, as an input of something else: the digest of its stamp where a file has one, which is quick for
    a large one, else of its bytes."""
    beside = stamp_path(path)
    return digest(beside if path.is_file() and beside.exists() else path)


def stamp_path(output: Path) -> Path:
    """Where the stamp of ``output`` is: inside a folder, beside a file."""
    return output / STAMP if output.is_dir() else output.with_name(f"{output.name}.{STAMP}")


def read(output: Path) -> Stamp | None:
    """The stamp of a finished output, or None. Raises StampError where the stamp is no stamp."""
    path = stamp_path(output)
    if not output.exists() or not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Stamp(found["command"], found["config"], found["inputs"])
    except (ValueError, KeyError, TypeError) as error:
        raise StampError(path, "not a stamp", "", f"remove '{output}' or pass --force") from error


def write(output: Path, stamp: Stamp) -> None:
    """Stamp an output that is whole."""
    write_text(stamp_path(output), json.dumps(stamp.as_dict(), indent=1, sort_keys=True) + "\n")


def differences(found: Stamp, wanted: Stamp) -> list[str]:
    """How two stamps differ, one short line each; empty where they agree."""
    old, new = _flat(found.as_dict()), _flat(json.loads(json.dumps(wanted.as_dict())))
    lines = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key, MISSING), new.get(key, MISSING)
        if was == now:
            continue
        if key.startswith("inputs."):
            lines.append(f"input '{key.removeprefix('inputs.')}' has changed")
        else:
            lines.append(f"{key.removeprefix('config.')} was {_show(was)}, now {_show(now)}")
    return lines


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``a.b`` and, of lists of mappings, ``a[0].b`` -> what is there."""
    flat: dict[str, Any] = {}
    for key, each in value.items():
        if isinstance(each, Mapping) and (each or not prefix):
            flat.update(_flat(each, f"{prefix}{key}."))
        elif isinstance(each, list) and any(isinstance(item, Mapping) for item in each):
            flat.update(_flat({f"{key}[{at}]": item for at, item in enumerate(each)}, prefix))
        else:
            flat[f"{prefix}{key}"] = each
    return flat


def _show(value: Any) -> str:
    return "absent" if value is MISSING else repr(value)


def is_done(output: Path, stamp: Stamp, force: bool = False) -> bool:
    """True where ``output`` was made by the same; False where it must be made. Raises StampError for another's.

    An output without a stamp was not made by us: refused too, unless forced or an empty folder.
    """
    if force or not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return False
    found = read(output)
    if found is None:
        if not output.is_dir():
            return False  # a file whose stamp never came: the remains of a killed run
        raise StampError(output, "exists and has no stamp", "", "move it away or pass --force")
    lines = differences(found, stamp)
    if lines:
        shown = ", ".join(lines[:4]) + (f" and {len(lines) - 4} more" if len(lines) > 4 else "")
        raise StampError(output, f"was made differently: {shown}", "", "pass --force to make it anew")
    return True


def spare_inputs(inputs: Mapping[str, Path | None], out: Path, names: Iterable[str], what: str) -> None:
    """Raises DataError or Faults where a file of ``names`` written into ``out`` would replace one it is made from.

    ``inputs`` are by the option that names them; ``what`` is written, for the message: ``a report``.
    """
    outputs = {(out / name).resolve() for name in names}
    found = f"{what} written into '{out}' would replace it"
    Faults.check(
        DataError(f"{option} {path}", found, "", "choose another --out")
        for option, path in inputs.items()
        if path and path.resolve() in outputs
    )


@contextmanager
def building(output: Path, stamp: Stamp | None = None, folder: bool = True) -> Iterator[Path]:
    """A partial folder (or the path of a partial file) that becomes ``output``, stamped, where the block succeeds.

    On any exception the partial output is removed and what stood at ``output`` before stays. No stamp is for what is a
    person's from then on, and never made anew from its inputs.
    """
    partial = output.with_name(f".{output.name}.partial")
    output.parent.mkdir(parents=True, exist_ok=True)
    remove(partial)
    try:
        if folder:
            partial.mkdir()
        yield partial
        if folder:
            if stamp is not None:
                write(partial, stamp)
            sync_tree(partial)
            _replace_folder(partial, output)
        else:
            sync(partial)
            remove(stamp_path(output))
            os.replace(partial, output)
            if stamp is not None:
                write(output, stamp)
        sync(output.parent)
    except BaseException as error:
        _name(error, output)
        remove(partial)
        raise


def _name(error: BaseException, output: Path) -> None:
    """A full disk names no file: name the output."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        error.filename = str(output)


def _replace_folder(partial: Path, output: Path) -> None:
    """Rename ``partial`` to ``output``; a folder can replace only an empty one, so an old one steps aside first."""
    old = output.with_name(f".{output.name}.old")
    remove(old)
    if output.exists():
        os.replace(output, old)
    try:
        os.replace(partial, output)
    except BaseException:
        if old.exists() and not output.exists():
            os.replace(old, output)
        raise
    remove(old)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file's bytes, or a folder's names, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    for each in folder.rglob("*"):
        sync(each)
    sync(folder)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: beside, synced, renamed."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        sync(partial)
        os.replace(partial, path)
    except BaseException as error:
        _name(error, path)
        remove(partial)
        raise
