"""The sound of ``report.html``: the right utterances, the right stretch of the right recording, the words' times."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dstoolkit.data import datadir
from dstoolkit.errors import DataError, Faults
from dstoolkit.interfaces import Utterance, Word
from dstoolkit.pipeline import report_audio
from dstoolkit.scoring.wer import Report, score

RATE = 16000
SECONDS = 2.0
REFERENCES = {"u1": "one two three", "u2": "four five", "u3": "six"}
HYPOTHESES = {"u1": "one too tree", "u2": "for five", "u3": "six"}


def noise(seconds: float = SECONDS, seed: int = 0) -> np.ndarray:
    """White noise below 4 kHz, which Vorbis keeps well."""
    samples = np.random.default_rng(seed).standard_normal(int(seconds * RATE))
    spectrum = np.fft.rfft(samples)
    spectrum[len(spectrum) // 2 :] = 0
    return (0.1 * np.fft.irfft(spectrum, len(samples))).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """u1 is a recording of its own; u2 and u3 are stretches of another, of two channels."""
    soundfile.write(tmp_path / "a.wav", noise(), RATE)
    soundfile.write(tmp_path / "b.wav", np.stack([noise(3, 1), noise(3, 1)], axis=1), RATE)
    a, b = str(tmp_path / "a.wav"), str(tmp_path / "b.wav")
    datadir.write(
        tmp_path,
        [
            Utterance("u1", a, "s", recording="a"),
            Utterance("u2", b, "s", start=0.5, end=1.25, recording="b"),
            Utterance("u3", b, "s", start=1.25, end=2.0, recording="b"),
        ],
    )
    return tmp_path


@pytest.fixture
def report() -> Report:
    return score(REFERENCES, HYPOTHESES)


def decoded(clip: report_audio.Clip) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(clip.data), dtype="float32")
    assert rate == clip.rate == RATE
    assert len(samples) == round(clip.duration * rate)
    return samples


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def test_each_has_its_stretch(folder: Path, report: Report) -> None:
    found = report_audio.gather(report, folder, 10)
    assert list(found.clips) == ["u1", "u2", "u3"]
    assert found.note == "Audio of all utterances."
    original = noise(3, 1)
    for key, stretch in (("u1", noise()), ("u2", original[8000:20000]), ("u3", original[20000:32000])):
        assert likeness(decoded(found.clips[key]), stretch) > 0.95
    assert likeness(decoded(found.clips["u3"]), original[20010:32010]) < 0.7  # ten samples off would show


def test_those_with_the_most_errors_within_the_bounds(folder: Path, report: Report) -> None:
    two = report_audio.gather(report, folder, 2)
    assert list(two.clips) == ["u1", "u2"]
    assert two.note == "Audio of 2 of 3 utterances, those with the most errors."
    short = report_audio.gather(report, folder, 2, seconds=1.0)  # u1 alone lasts two
    assert list(short.clips) == ["u2"]
    assert short.note.endswith("; 1 more would have made this page too large.")


def test_a_long_sound_is_compressed(report: Report) -> None:
    samples = noise(60)
    data = report_audio.compress(samples, RATE)
    found, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    assert len(found) == len(samples)
    assert len(data) < len(samples)  # a byte a sample; as 16 bits it would be two


def test_words_of_a_ctm(folder: Path, report: Report) -> None:
    (folder / "ctm").write_text(
        ";; a comment\n"
        "b 1 1.300 0.200 six 0.900\n"
        "b 1 0.600 0.200 for 0.500\n"
        "b 1 1.000 0.260 five\n"
        "a 1 0.000 0.400 one 0.9\n"
        "a 1 0.500 0.400 two 0.9\n"
    )
    clips = report_audio.gather(report, folder, 3, folder / "ctm").clips
    assert [(each.text, round(each.start, 3), round(each.end, 3)) for each in clips["u2"].words] == [
        ("for", 0.1, 0.3),
        ("five", 0.5, 0.76),  # past its end, but more than half of it before
    ]
    assert [each.confidence for each in clips["u2"].words] == [0.5, 1]
    assert [round(each.start, 3) for each in clips["u3"].words] == [0.05]
    assert clips["u1"].words == ()  # two words of three: of another decoding


def test_words_of_an_nbest_list(folder: Path, report: Report) -> None:
    words = [{"text": each, "start": at, "end": at + 0.5, "confidence": 0.5} for at, each in enumerate(["for", "five"])]
    rows = [
        {"utterance": "u1", "hypotheses": []},
        {"utterance": "u2", "hypotheses": [{"text": "for five", "words": words}, {"text": "x", "words": []}]},
    ]
    (folder / "nbest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    clips = report_audio.gather(report, folder, 3, folder / "nbest.jsonl").clips
    assert clips["u2"].words == (Word("for", 0, 0.5, 0.5), Word("five", 1, 1.5, 0.5))
    assert clips["u1"].words == ()


@pytest.mark.parametrize(
    ("name", "content", "line", "found"),
    [
        ("ctm", b"a 1 0.0 0.4\n", 1, "4 fields"),
        ("ctm", b"a 1 0.0 0.4 one\na 1 x 0.4 two\n", 2, "start, duration and confidence"),
        ("ctm", b"a 1 0.0 0.4 one\na 1 0 -1 two\n", 2, "start, duration and confidence"),
        ("ctm", b"a 1 0.0 0.4 \xff\n", 1, "not UTF-8 text"),
        ("nbest.jsonl", b"[]\n", 1, "no hypotheses with words"),
        ("nbest.jsonl", b'{"utterance": "u1", "hypotheses": [{"text": "a"}]}\n', 1, "no hypotheses with words"),
        ("nbest.jsonl", b"{\n", 1, "no hypotheses with words"),
        (
            "nbest.jsonl",
            b'{"utterance": "u1", "hypotheses": [{"words": [{"text": "a", "start": NaN, "end": 1, "confidence": 1}]}]}',
            1,
            "no hypotheses with words",
        ),
    ],
)
def test_times_that_cannot_be_read(
    folder: Path, report: Report, name: str, content: bytes, line: int, found: str
) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        report_audio.gather(report, folder, 3, folder / name)
    assert caught.value.where == f"{folder / name}:{line}"
    assert found in caught.value.found


def test_a_data_directory_of_other_utterances(folder: Path) -> None:
    other = {"u1": "a", "v1": "b", "v2": "c"}
    with pytest.raises(Faults) as caught:
        report_audio.gather(score(other, other), folder, 1)
    assert [each.found for each in caught.value.faults] == ["no utterance 'v1'", "no utterance 'v2'"]


def test_a_data_directory_without_sound(folder: Path, report: Report) -> None:
    for name in ("wav.scp", "segments"):
        (folder / name).unlink()
    (folder / "feats.scp").write_text("".join(f"{key} {folder}/a.wav\n" for key in REFERENCES))
    with pytest.raises(DataError, match=r"'feats\.scp' in place of audio"):
        report_audio.gather(report, folder, 1)


def test_a_recording_that_is_gone(folder: Path, report: Report) -> None:
    (folder / "a.wav").unlink()
    with pytest.raises(DataError, match=r"a\.wav"):
        report_audio.gather(report, folder, 1)
