"""Small data folders, and Kurfiles that name them."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from dstoolkit_kur.kurfile import Kurfile
from dstoolkit_kur.node import Node

from dstoolkit import stamp
from dstoolkit.testing import corpus

TEXTS = ("a bad cab", "Dead egg", "fed", "gag a bee", "bag", "face")


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamp, "sync", lambda _: None)


def write_wav(path: Path, samples: Any, rate: int = corpus.RATE, channels: int = 1) -> float:
    """16 bits; the seconds written."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).round().astype("<i2").tobytes())
    return samples.size / channels / rate


@pytest.fixture
def wav() -> Callable[..., float]:
    return write_wav


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """``make("train")`` writes ``train/data.jsonl`` and ``train/audio/u0.wav`` ...: tones that spell the texts.

    Characters without a tone are silent.
    """

    def made(name: str = "train", texts: Sequence[str] = TEXTS, key: str = "text", rate: int = corpus.RATE) -> Path:
        folder = tmp_path / name
        (folder / "audio").mkdir(parents=True)
        lines = []
        for at, text in enumerate(texts):
            sounds = "".join(each if each in corpus.LETTERS else " " for each in text.lower())
            seconds = write_wav(folder / "audio" / f"u{at}.wav", corpus.spell(sounds, rate=rate, seed=at), rate)
            lines.append(json.dumps({"uuid": f"u{at}", key: text, "duration_s": seconds}) + "\n")
        (folder / "data.jsonl").write_text("".join(lines))
        return folder

    return made


@pytest.fixture
def section(tmp_path: Path) -> Callable[..., Node]:
    """``section(path="train", samples=3)``: the section ``train`` of ``k.yml``, each option on a line of its own.

    ``path`` is on line 4, the next one on line 5.
    """

    def read(name: str = "train", **options: Any) -> Node:
        lines = [f"        {key}: {json.dumps(value)}\n" for key, value in options.items()]
        head = f"{name}:\n  data:\n    - speech_recognition:\n"
        (tmp_path / "k.yml").write_text(head + "".join(lines))
        found = Kurfile.load(tmp_path / "k.yml").section(name)
        assert found is not None
        return found

    return read
