"""Data directories as finished-or-absent outputs: what makes one is checked first, then it appears whole, stamped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dstoolkit import stamp
from dstoolkit.data import datadir, extras
from dstoolkit.data.tables import FORMS
from dstoolkit.errors import DataError
from dstoolkit.interfaces import Utterance


@dataclass(frozen=True)
class Content:
    """What goes into a directory. ``durations`` are seconds by id; ``origins`` are the data directories whose extra
    files go along, each with the prefix that its ids got."""

    utterances: Sequence[Utterance]
    source: str = "wav.scp"
    durations: Mapping[str, float] | None = None
    origins: Mapping[Path, str] = field(default_factory=dict)


def digests(folder: Path) -> dict[str, str]:
    """The digest of each text file of a data directory; its audio is not read."""
    names = [name for name in FORMS if (folder / name).is_file()]
    if folder.is_dir():
        names += extras.names(folder)
    return {f"{folder}/{name}": stamp.digest(folder / name) for name in names}


def make(
    out: Path,
    command: str,
    config: Mapping[str, Any],
    produce: Callable[[], Content],
    folders: Sequence[Path] = (),
    files: Sequence[Path] = (),
    force: bool = False,
) -> Content | None:
    """Make the data directory ``out`` of what ``produce`` returns; None where the same command has made it before.

    ``folders`` and ``files`` are what it is made from. Raises DataError, Faults or StampError.
    """
    for folder in folders:
        if out.resolve() == folder.resolve() or out.resolve() in folder.resolve().parents:
            raise DataError(out, f"is or holds the input '{folder}'", "expected another folder to write to")
    inputs = {key: value for folder in folders for key, value in digests(folder).items()}
    stamped = stamp.Stamp(command, config, inputs | {str(path): stamp.digest(path) for path in files})
    if stamp.is_done(out, stamped, force):
        return None
    content = produce()
    with stamp.building(out, stamped) as partial:
        chosen = content.durations
        if chosen is not None:
            chosen = {each.id: chosen[each.id] for each in content.utterances}
        datadir.write(partial, content.utterances, content.source, chosen)
        extras.carry(content.origins, partial, content.utterances)
    return content
