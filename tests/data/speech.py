"""Small valid data directories for tests: real wav files of noise, with and without segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from dstoolkit.data import datadir
from dstoolkit.interfaces import Utterance

RATE = 8000
WORDS = ["yes", "no", "maybe so", "well then", "yes no yes"]


def noise(path: Path, seconds: float = 0.5, rate: int = RATE, channels: int = 1) -> Path:
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, (round(seconds * rate), channels))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


def whole(folder: Path, speakers: int = 3, each: int = 4) -> Path:
    """Utterances s0-u0 to s2-u3 of 0.5 s, 0.6 s, ..., one recording each; texts repeat."""
    data = folder / "data"
    data.mkdir(parents=True)
    utterances, durations = [], {}
    for speaker in range(speakers):
        for number in range(each):
            key = f"s{speaker}-u{number}"
            durations[key] = round(0.5 + 0.1 * len(durations), 1)
            path = noise(folder / "audio" / f"{key}.wav", durations[key])
            utterances.append(Utterance(key, str(path), f"s{speaker}", WORDS[len(utterances) % len(WORDS)]))
    datadir.write(data, utterances, durations=durations)
    return data


def segmented(folder: Path) -> Path:
    """Two recordings of 2 s with two segments each; the last one ends with its recording."""
    data = folder / "data"
    data.mkdir(parents=True)
    utterances = []
    for recording in ("r0", "r1"):
        path = str(noise(folder / "audio" / f"{recording}.wav", 2.0))
        utterances.append(Utterance(f"{recording}-a", path, recording, "yes", 0.0, 0.75, recording))
        utterances.append(Utterance(f"{recording}-b", path, recording, "no", 0.75, None, recording))
    datadir.write(data, utterances)
    return data


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file's bytes by its path in the folder."""
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
