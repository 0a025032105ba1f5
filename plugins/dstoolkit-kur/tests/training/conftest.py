"""A small Kurfile of tones, and data for it in Kur's layout."""

from __future__ import annotations

import functools
import json
import os
import signal
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dstoolkit_kur.kurfile import Kurfile

from dstoolkit import stamp
from dstoolkit.testing import corpus

TEXT = """\
settings:
  seed: 3
  data: &data {type: spec, max_frequency: 4000, vocab: [a, b, c, d, e, f, g, " "]}
model:
  - input: utterance
  - convolution: {kernels: 16, size: 7, strides: 2, border: valid}
  - activation: relu
  - recurrent: {size: 16, sequence: yes}
  - parallel: {apply: [{dense: 9}]}
  - activation: softmax
  - output: asr
loss:
  - {name: ctc, target: asr, input_length: utterance_length, relative_to: utterance, output_length: transcript_length,
     output: transcript}
validate:
  data: [{speech_recognition: {<<: *data, path: dev}}]
test:
  data: [{speech_recognition: {<<: *data, path: dev}}]
evaluate:
  data: [{speech_recognition: {<<: *data, path: dev}}]
  destination: {path: out.json}
train:
  data: [{speech_recognition: {<<: *data, path: train}}]
"""


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamp, "sync", lambda _: None)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write("epochs: 2")``: a Kurfile with such lines at the end of its section ``train``."""

    def written(train: str = "", *changes: tuple[str, str]) -> Path:
        text = TEXT
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        lines = "".join(f"  {line}\n" for line in train.splitlines())
        (tmp_path / "tones.yml").write_text(text + lines)
        return tmp_path / "tones.yml"

    return written


@pytest.fixture
def kurfile(write: Callable[..., Path]) -> Callable[..., Kurfile]:
    return lambda *told: Kurfile.load(write(*told))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """``train`` and ``dev`` beside the Kurfile."""
    texts = corpus.texts(10, seed=1)
    for name, own in (("train", texts[:8]), ("dev", texts[8:])):
        (tmp_path / name / "audio").mkdir(parents=True)
        rows = []
        for at, text in enumerate(own):
            samples = corpus.spell(text, seed=at)
            with wave.open(str(tmp_path / name / "audio" / f"u{at}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(corpus.RATE)
                file.writeframes((samples * 32767).round().astype("<i2").tobytes())
            rows.append(json.dumps({"uuid": f"u{at}", "text": text, "duration_s": len(samples) / corpus.RATE}))
        (tmp_path / name / "data.jsonl").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """``interrupt(5)``: Ctrl-C while step 5 is taken, once."""
    from dstoolkit.training.step import Step

    def at(number: int) -> None:
        take = Step.take

        def interrupted(self: Step, step: int, *arguments: Any) -> Any:
            if step == number:
                monkeypatch.setattr(Step, "take", take)
                os.kill(os.getpid(), signal.SIGINT)
            return take(self, step, *arguments)

        monkeypatch.setattr(Step, "take", interrupted)

    return at


class Hand:
    """A clock that is turned by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def turned_by(self, function: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        def turning(*arguments: Any, **options: Any) -> Any:
            self.now += seconds
            return function(*arguments, **options)

        return turning


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    """The clock of the trainings meanwhile: a step takes 10 s, what comes after it 5 s, a validation 60 s."""
    from dstoolkit.training import state, trainer
    from dstoolkit.training.clocks import Clocks
    from dstoolkit.training.step import Step

    clock = Hand()
    monkeypatch.setattr(state, "Clocks", functools.partial(Clocks, now=clock))
    for owner, name, seconds in ((Step, "take", 10), (trainer.Trainer, "follow", 5), (trainer, "validate", 60)):
        monkeypatch.setattr(owner, name, clock.turned_by(getattr(owner, name), seconds))
    return clock
