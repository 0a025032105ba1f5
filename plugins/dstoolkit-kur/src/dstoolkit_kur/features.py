"""Kur's features and their normalisation, in the words of an experiment's sections ``features`` and ``cmvn``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dstoolkit.data import audio
from dstoolkit_kur.manifest import Entry
from dstoolkit_kur.node import Node
from dstoolkit_kur.options import Normal, SpeechRecognition

SPACING = 50.0  # Hz from one point of the spectrogram to the next: windows of 20 ms
NO_LIMIT = 1e9  # Hz
MFCC = {  # what Kur asked of python_speech_features, whose windows are of 25 ms each 10 ms
    "name": "mfcc",
    "num_ceps": 13,
    "num_mel_bins": 26,
    "low_frequency": 0.0,
    "window": "rectangular",
    "remove_dc_offset": False,
    "raw_energy": False,
}


def usual_jobs() -> int:
    """All cores but one."""
    return max((os.cpu_count() or 1) - 1, 1)


def section(
    node: Node, options: SpeechRecognition, entries: Sequence[Entry], training: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The section ``features``: that of the training where ``node`` says nothing of its own.

    Raises ConfigError where it says something else than the training's.
    """
    said = [key for key in ("type", "max_frequency") if getattr(options, key) is not None]
    if training is not None and not said:
        return dict(training)
    found = mfcc(options, entries) if options.type == "mfcc" else spectrogram(node, options)
    if training is not None and found != training:
        raise node.fault(f"features {found}", f"the training's are {dict(training)}", "say the same", at=(said[0],))
    return found


def spectrogram(node: Node, options: SpeechRecognition) -> dict[str, Any]:
    """As many points as Kur keeps: ``max_frequency / 50``, rounded, the one at 0 Hz among them."""
    limit = NO_LIMIT
    if options.max_frequency:
        points = int(options.max_frequency / SPACING + 0.5)
        if points < 2:
            raise node.fault(f"{options.max_frequency:g} Hz", "expected 75 Hz or more", at=("max_frequency",))
        limit = (points - 1) * SPACING
    return {"name": "spectrogram", "frame_length": 0.02, "frame_shift": 0.01, "max_frequency": limit}


def mfcc(options: SpeechRecognition, entries: Sequence[Entry]) -> dict[str, Any]:
    """No limit where ``max_frequency`` is half the sample rate or more."""
    limit = options.max_frequency or 0.0
    nyquist = audio.info(entries[0].audio).rate / 2
    return {**MFCC, "high_frequency": limit if limit < nyquist else 0.0}


def whitening(asked: Normal, path: Path) -> dict[str, Any]:
    """The section ``cmvn``. To turn frames and, unscaled, turn them back is to leave them."""
    rotation = "zca" if asked.rotate and asked.scale else "none"
    return {
        "name": "whiten",
        "rotation": rotation,
        "center": asked.center,
        "scale": asked.scale,
        "statistics": str(path),
    }


def training_normalization(
    node: Node, options: SpeechRecognition, path: Path | None, training: Mapping[str, Any]
) -> dict[str, Any]:
    """The training's section ``cmvn``. Raises ConfigError where ``node`` says another normalisation."""
    if options.normalization is None:
        return dict(training)
    found = whitening(options.normal, path or Path(training["statistics"]))
    different = [key for key in found if found[key] != training[key]]
    if different:
        key = different[0]
        told = f"{key} {found[key]}"
        raise node.fault(told, f"the training's is {training[key]}", "say the same", at=("normalization",))
    return found
