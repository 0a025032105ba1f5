"""A synthetic corpus: words spelled in tones, easy enough that a small CTC model learns it in seconds on a CPU.

Each letter a to g is a tone of 80 ms (a: 500 Hz, each next letter 1.3 times the last), with 40 ms of silence after it,
and a space is 120 ms of silence, all over a faint noise. Words are those that spell in these letters. Three speakers
differ in pitch and loudness by a few per cent. Everything follows from the seed. In a shell:

    python -m dstoolkit.testing.corpus tones

writes ``tones/audio/*.wav`` and the Kaldi data directories ``tones/data/{train,dev,test}``, no text of one split in
another. 60 training utterances are 1.5 minutes of sound.
"""

from __future__ import annotations

import random
import sys
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dstoolkit.data import datadir
from dstoolkit.interfaces import Utterance

LETTERS = "abcdefg"
LEXICON = "a add age bad bag bead bed bee beg cab cabbage cafe dad dead deaf edge egg face fad fed feed gag"
SIZES = {"train": 60, "dev": 12, "test": 12}  # utterances
RATE = 8000  # Hz
LOWEST, STEP = 500.0, 1.3  # Hz of the letter a; ratio of neighbours, so g is at 2413 Hz
TONE, GAP, SPACE, EDGE = 0.080, 0.040, 0.120, 0.100  # seconds of a letter, the silence after it, a space, each end
RAMP = 0.005  # seconds in which a tone rises and falls, against clicks
NOISE = 0.001  # root mean square, full scale 1
SPEAKERS = {"alto": (1.04, 0.25), "bass": (0.96, 0.35), "tenor": (1.0, 0.30)}  # pitch factor, amplitude


def spell(text: str, speaker: str = "tenor", rate: int = RATE, seed: int = 0) -> Any:
    """``(samples,)`` float32 in [-1, 1]. Raises ValueError for a character other than a to g and the space."""
    if strange := set(text) - set(LETTERS) - {" "}:
        raise ValueError(f"{sorted(strange)}; expected the letters {LETTERS} and spaces")
    pitch, amplitude = SPEAKERS[speaker]
    silence = np.zeros(round(EDGE * rate))
    sounds = [np.zeros(round(SPACE * rate)) if each == " " else _tone(each, pitch, rate) for each in text]
    samples = amplitude * np.concatenate([silence, *sounds, silence])
    return (samples + np.random.default_rng(seed).normal(0, NOISE, len(samples))).astype(np.float32)


def _tone(letter: str, pitch: float, rate: int) -> Any:
    time = np.arange(round(TONE * rate)) / rate
    envelope = np.clip(np.minimum(time, TONE - time) / RAMP, 0, 1)
    tone = envelope * np.sin(2 * np.pi * pitch * LOWEST * STEP ** LETTERS.index(letter) * time)
    return np.concatenate([tone, np.zeros(round(GAP * rate))])


def texts(count: int, seed: int = 0) -> list[str]:
    """So many different texts of two to four words."""
    source = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found[" ".join(source.choices(LEXICON.split(), k=source.randint(2, 4)))] = None
    return list(found)


def write(
    folder: Path | str, sizes: Mapping[str, int] | None = None, seed: int = 0, rate: int = RATE
) -> dict[str, Path]:
    """Write the corpus below ``folder``: ``audio/`` and ``data/SPLIT``; split -> its data directory.

    ``sizes`` are utterances per split (``SIZES``), ``rate`` is in Hz. The same arguments write the same bytes.
    """
    sizes = SIZES if sizes is None else sizes
    audio = Path(folder).resolve() / "audio"
    audio.mkdir(parents=True, exist_ok=True)
    remaining = iter(texts(sum(sizes.values()), seed))
    directories = {}
    for split, size in sizes.items():
        utterances = [_utterance(audio, f"{split}{at:04d}", at, next(remaining), rate) for at in range(size)]
        directories[split] = Path(folder).resolve() / "data" / split
        directories[split].mkdir(parents=True, exist_ok=True)
        datadir.write(directories[split], utterances)
    return directories


def _utterance(audio: Path, name: str, number: int, text: str, rate: int) -> Utterance:
    """Write one recording; ids begin with the speaker's, as Kaldi likes them to."""
    speaker = sorted(SPEAKERS)[number % len(SPEAKERS)]
    path = audio / f"{speaker}-{name}.wav"
    samples = spell(text, speaker, rate, seed=number)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).round().astype("<i2").tobytes())
    return Utterance(path.stem, str(path), speaker, text)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m dstoolkit.testing.corpus FOLDER")
    for directory in write(sys.argv[1]).values():
        sys.stdout.write(f"{directory}\n")
