"""Checkpoints: torch files of tensors and plain values, written whole or not at all, loaded without unpickling code."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import torch

from dstoolkit import stamp
from dstoolkit.errors import DataError

FORMAT = 1  # raised when a checkpoint of the former format can no longer be read


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` beside ``path``, sync it and rename it; what stood at ``path`` stays until then."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        torch.save({"format": FORMAT, **state}, partial)
        stamp.sync(partial)
        os.replace(partial, path)
        stamp.sync(path.parent)
    except RuntimeError as error:  # torch reports a full disk as a RuntimeError of its zip writer
        stamp.remove(partial)
        raise OSError(errno.ENOSPC, "the checkpoint could not be written; is the disk full?", str(path)) from error
    except BaseException:
        stamp.remove(partial)
        raise


def load(path: Path, device: str | torch.device = "cpu", lazily: bool = False) -> dict[str, Any]:
    """The state in ``path``; ``lazily``: tensors are read when they are looked at, while the file stays as it is.

    Raises DataError where it is missing, damaged or of another format.
    """
    try:
        path.open("rb").close()
    except OSError as error:
        raise DataError(path, (error.strerror or str(error)).lower(), "expected a checkpoint") from error
    try:
        state = torch.load(path, map_location=device, weights_only=True, mmap=lazily)
    except Exception as error:  # a damaged zip or pickle raises many kinds
        reason = " ".join(str(error).split())[:120]
        raise DataError(path, f"damaged, or no checkpoint ({reason})", "", "remove it and train again") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise DataError(path, "a checkpoint of another format", f"expected format {FORMAT}", "train again")
    return state
