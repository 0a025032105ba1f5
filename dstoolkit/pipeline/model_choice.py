"""Which kind of thing a command's MODEL is: a training's folder, or a bundle that was packed from one."""

from __future__ import annotations

from pathlib import Path

from dstoolkit.errors import DataError
from dstoolkit.pipeline import bundle
from dstoolkit.pipeline.recognition import Recogniser

EXPECTED = "expected a training's folder ('exp/TAG') or a bundle of 'dstoolkit model pack'"


def open_model(path: Path, device: str = "cpu") -> Recogniser:
    """The recogniser in ``path``. Raises DataError where it is neither kind, and what loading it raises."""
    if path.is_dir():
        return Recogniser.load(path, device)
    if not path.exists():
        raise DataError(path, "no such file or folder", EXPECTED)
    if not bundle.is_bundle(path):
        raise DataError(path, "not a packed model", EXPECTED)
    return bundle.load(path, device)
