"""A valid directory has no fault; each way of breaking it is named with its file and line, and nothing else changes."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.data import validate
from dstoolkit.errors import DataError, Faults
from tests.data import speech

Breaking = Callable[[Path, random.Random], tuple[str, str]]  # breaks a directory; returns file:line and what is said


def found(folder: Path, **options: object) -> list[str]:
    return [str(fault) for fault in validate.examine(folder, **options).faults]  # type: ignore[arg-type]


def replace_line(path: Path, change: Callable[[str], str], chance: random.Random, least: int = 0) -> int:
    """Change one line at random; its number."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    at = chance.randrange(least, len(lines))
    lines[at] = change(lines[at])
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return at + 1


def delete_line(path: Path, chance: random.Random) -> str:
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    key = lines.pop(chance.randrange(len(lines))).split()[0]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return key


def third_column(folder: Path, chance: random.Random) -> tuple[str, str]:
    line = replace_line(folder / "utt2spk", lambda text: f"{text} x", chance)
    return f"{folder}/utt2spk:{line}: 3 fields", "expected '<utterance> <speaker>'"


def no_speaker(folder: Path, chance: random.Random) -> tuple[str, str]:
    line = replace_line(folder / "utt2spk", lambda text: text.split()[0], chance)
    return f"{folder}/utt2spk:{line}: 1 field in", ""


def unsorted(folder: Path, chance: random.Random) -> tuple[str, str]:
    name = chance.choice(["wav.scp", "text", "utt2spk", "spk2utt", "utt2dur"])
    lines = (folder / name).read_text().splitlines(keepends=True)
    at = chance.randrange(1, len(lines))
    lines[at - 1], lines[at] = lines[at], lines[at - 1]
    (folder / name).write_text("".join(lines))
    return f"{folder}/{name}:{at + 1}: ", "expected lines sorted in C order"


def duplicate(folder: Path, chance: random.Random) -> tuple[str, str]:
    name = chance.choice(["wav.scp", "text", "utt2spk", "spk2utt", "utt2dur"])
    line = replace_line(folder / name, lambda text: f"{text}\n{text}", chance)
    return f"{folder}/{name}:{line + 1}: ", f"again; expected it once; it is on line {line} too"


def no_text(folder: Path, chance: random.Random) -> tuple[str, str]:
    key = delete_line(folder / "text", chance)
    line = [row.split()[0] for row in speech.lines(folder / "utt2spk")].index(key) + 1
    return f"{folder}/utt2spk:{line}: utterance '{key}'", "is not in 'text'"


def no_audio(folder: Path, chance: random.Random) -> tuple[str, str]:
    key = delete_line(folder / "wav.scp", chance)
    line = [row.split()[0] for row in speech.lines(folder / "utt2spk")].index(key) + 1
    return f"{folder}/utt2spk:{line}: utterance '{key}'", "is not in 'wav.scp'"


def stranger(folder: Path, chance: random.Random) -> tuple[str, str]:
    name = chance.choice(["text", "wav.scp", "utt2dur"])
    with (folder / name).open("a") as file:
        file.write("zzz 1\n")
    line = len(speech.lines(folder / name))
    return f"{folder}/{name}:{line}: utterance 'zzz'", "is not in 'utt2spk'"


def wrong_speaker(folder: Path, chance: random.Random) -> tuple[str, str]:
    def swap(text: str) -> str:
        key, speaker = text.split()
        return f"{key} {chance.choice([each for each in ('s0', 's1', 's2') if each != speaker])}"

    line = replace_line(folder / "utt2spk", swap, chance)
    key, _ = speech.lines(folder / "utt2spk")[line - 1].split()
    return f"{folder}/spk2utt:{int(key[1]) + 1}: utterance '{key}'", "'utt2spk' gives it to speaker"


def not_utf8(folder: Path, chance: random.Random) -> tuple[str, str]:
    path = folder / "text"
    lines = path.read_bytes().split(b"\n")[:-1]
    at = chance.randrange(len(lines))
    lines[at] += b" \xff\xfe"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return f"{path}:{at + 1}: byte 0xff at column {len(lines[at]) - 1}", "expected UTF-8"


def carriage_returns(folder: Path, chance: random.Random) -> tuple[str, str]:
    name = chance.choice(["text", "utt2spk", "wav.scp"])
    (folder / name).write_bytes((folder / name).read_bytes().replace(b"\n", b"\r\n"))
    return f"{folder}/{name}:1: a carriage return", "of this and 11 more lines"


def cut_short(folder: Path, chance: random.Random) -> tuple[str, str]:
    name = chance.choice(["text", "utt2spk", "spk2utt"])
    content = (folder / name).read_bytes()
    lines = content.count(b"\n")
    (folder / name).write_bytes(content[:-1])
    return f"{folder}/{name}:{lines}: no line feed", "cut short"


def empty_line(folder: Path, chance: random.Random) -> tuple[str, str]:
    line = replace_line(folder / "text", lambda text: f"{text}\n", chance)
    return f"{folder}/text:{line + 1}: an empty line", ""


def control_character(folder: Path, chance: random.Random) -> tuple[str, str]:
    line = replace_line(folder / "text", lambda text: f"{text}\0", chance)
    return f"{folder}/text:{line}: control character", ""


def piped(folder: Path, chance: random.Random) -> tuple[str, str]:
    line = replace_line(folder / "wav.scp", lambda text: f"{text.split()[0]} touch {folder}/run; cat x.wav |", chance)
    return f"{folder}/wav.scp:{line}: a pipe", "convert it first"


def wrong_duration(folder: Path, chance: random.Random) -> tuple[str, str]:
    said, what = chance.choice([("9.9", "its audio lasts"), ("-1", "seconds above 0"), ("nan", "seconds above 0")])
    line = replace_line(folder / "utt2dur", lambda text: f"{text.split()[0]} {said}", chance)
    return f"{folder}/utt2dur:{line}: duration ", what


def bad_audio(folder: Path, chance: random.Random) -> tuple[str, str]:
    line = chance.randrange(12)
    path = Path(speech.lines(folder / "wav.scp")[line].split()[1])
    ways: dict[str, Callable[[], object]] = {
        "no such file": path.unlink,
        "an empty file": lambda: path.write_bytes(b""),
        "cut short": lambda: path.write_bytes(path.read_bytes()[:1000]),
        "not readable as audio": lambda: path.write_bytes(b"nonsense" * 99),
        "no samples": lambda: soundfile.write(path, np.zeros(0), speech.RATE),
    }
    said = chance.choice(sorted(ways))
    ways[said]()
    return f"{folder}/wav.scp:{line + 1}: {path}: ", said


def other_rate(folder: Path, chance: random.Random) -> tuple[str, str]:
    line = chance.randrange(12)
    path = Path(speech.lines(folder / "wav.scp")[line].split()[1])
    speech.noise(path, soundfile.info(path).duration, 16000)
    return f"{folder}/wav.scp:{line + 1}: recording '{path.stem}' has 16000 Hz", "8000 Hz as in 11 of 12 recordings"


BREAKINGS: list[Breaking] = [
    third_column, no_speaker, unsorted, duplicate, no_text, no_audio, stranger, wrong_speaker, not_utf8,
    carriage_returns, cut_short, empty_line, control_character, piped, wrong_duration, bad_audio, other_rate,
]  # fmt: skip


@pytest.mark.parametrize("breaking", BREAKINGS)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_each_breaking_is_named(breaking: Breaking, seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        data = speech.whole(Path(name))
        assert found(data) == []
        where, what = breaking(data, random.Random(seed))
        faults = found(data)
        assert any(fault.startswith(where) and what in fault for fault in faults), (where, what, faults)
        assert not (data / "run").exists()  # no pipe was run


@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from([third_column, control_character, piped, stranger]), min_size=2, unique=True))
def test_all_faults_at_once(breakings: list[Breaking]) -> None:
    with tempfile.TemporaryDirectory() as name:
        data = speech.whole(Path(name))
        chance = random.Random(7)
        wanted = [breaking(data, chance) for breaking in breakings]
        faults = found(data)
        for where, what in wanted:
            assert any(fault.startswith(where) and what in fault for fault in faults), (where, what, faults)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("r0-a r0 0.75 0.5", "times '0.75 0.5'"),
        ("r0-a r0 0 nan", "times '0 nan'"),
        ("r0-a r0 inf 1", "times 'inf 1'"),
        ("r0-a r0 -0.5 1", "times '-0.5 1'"),
        ("r0-a r0 zero 1", "times 'zero 1'"),
        ("r0-a r0 0 2.6", "times '0 2.6'; recording 'r0' lasts 2.000 s"),
        ("r0-a r0 2.0 -1", "times '2 -1'; recording 'r0' lasts 2.000 s"),
        ("r0-a r9 0 1", "recording 'r9' is not in 'wav.scp'"),
        ("r0-a r0 0", "3 fields"),
        ("r0-a r0 0 1 2", "5 fields"),
    ],
)
def test_segments(tmp_path: Path, line: str, said: str) -> None:
    data = speech.segmented(tmp_path)
    assert found(data) == []
    rest = speech.lines(data / "segments")[1:]
    (data / "segments").write_text("\n".join([line, *rest]) + "\n")
    faults = found(data)
    assert len(faults) == 1
    assert faults[0].startswith(f"{data}/segments:1: ")
    assert said in faults[0]


def test_overshoot_and_unused_recordings(tmp_path: Path) -> None:
    data = speech.segmented(tmp_path)
    (data / "segments").write_text((data / "segments").read_text().replace("r1-b r1 0.75 -1", "r1-b r1 0.75 2.3"))
    assert found(data) == []
    (data / "wav.scp").write_text((data / "wav.scp").read_text() + f"r2 {tmp_path}/audio/r0.wav\n")
    assert found(data) == [f"{data}/wav.scp:3: recording 'r2' is not in 'segments'; mend it with 'dstoolkit data fix'"]


def test_missing_files(tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    (data / "text").unlink()  # no transcripts at all: fit for decoding
    assert found(data) == []
    (data / "spk2utt").unlink()
    assert "no 'spk2utt'" in found(data)[0]
    (data / "wav.scp").unlink()
    assert "neither 'wav.scp' nor 'feats.scp'" in found(data)[0]
    assert found(tmp_path / "none") == [f"{tmp_path}/none: no such folder; expected a Kaldi data directory"]
    (tmp_path / "file").write_text("")
    assert "not a folder" in found(tmp_path / "file")[0]


def test_feature_files(tmp_path: Path) -> None:
    (tmp_path / "a.ark").write_bytes(b"frames")
    (tmp_path / "b.mfc").write_bytes(b"")
    (tmp_path / "feats.scp").write_text("a a.ark:1\nb b.mfc\nc c.npy\n")
    (tmp_path / "utt2spk").write_text("a s\nb s\nc s\n")
    (tmp_path / "spk2utt").write_text("s a b c\n")
    assert found(tmp_path, audio=False) == []
    empty, missing = found(tmp_path)
    assert empty.startswith(f"{tmp_path}/feats.scp:2: ")
    assert "an empty file" in empty
    assert missing.startswith(f"{tmp_path}/feats.scp:3: ")
    assert "no such file" in missing


def test_warnings_are_no_faults(tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    speech.noise(tmp_path / "audio" / "s0-u0.wav", 0.5, channels=2)
    text = (data / "text").read_text().replace("s1-u0 yes no yes\n", "s1-u0\n")
    (data / "text").write_text(text)
    report = validate.check(data)
    said = [str(warning) for warning in report.warnings]
    assert len(said) == 2
    assert f"{data}/text:5: utterance 's1-u0' has an empty text" in said
    assert any(each.startswith(f"{data}/wav.scp:1: 2 channels in recording 's0-u0'") for each in said)


def test_speaker_order_is_a_warning(tmp_path: Path) -> None:
    data = speech.whole(tmp_path, speakers=2, each=1)
    (data / "utt2spk").write_text("s0-u0 z\ns1-u0 a\n")
    (data / "spk2utt").write_text("a s1-u0\nz s0-u0\n")
    report = validate.examine(data)
    assert not report.faults
    assert "not sorted by speaker" in str(report.warnings[0])


def test_expected_rate_and_decoding(tmp_path: Path) -> None:
    data = speech.whole(tmp_path, speakers=1, each=2)
    assert len(found(data, rate=16000)) == 2
    flac = tmp_path / "audio" / "s0-u0.flac"
    soundfile.write(flac, np.random.default_rng(0).uniform(-1, 1, 8000), 8000)
    flac.write_bytes(flac.read_bytes()[:4000])
    (data / "wav.scp").write_text((data / "wav.scp").read_text().replace("s0-u0.wav", "s0-u0.flac"))
    (data / "utt2dur").unlink()
    assert found(data) == []  # the header is whole
    assert found(data, decode=True)[0].startswith(f"{data}/wav.scp:1: {flac}: ")


def test_check_raises(tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    third_column(data, random.Random(0))
    with pytest.raises(DataError, match="3 fields"):
        validate.check(data, audio=False)
    no_text(data, random.Random(0))
    with pytest.raises(Faults):
        validate.check(data)


def test_real_directory_is_valid(corpora: Path) -> None:
    assert found(corpora / "speechocean") == []
