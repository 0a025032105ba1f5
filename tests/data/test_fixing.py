"""What ``fix`` mends is valid afterwards, said, and backed up; what needs judgement is left as it was."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.data import fixing, validate
from dstoolkit.data.datadir import DataDir
from dstoolkit.errors import DataError
from tests.data import speech


def scramble(folder: Path, chance: random.Random) -> None:
    """Harm that loses nothing: order, repeats, blanks, line ends, a mark, a missing spk2utt."""
    for name in ("wav.scp", "text", "utt2spk", "utt2dur"):
        lines = speech.lines(folder / name)
        lines += chance.sample(lines, 2)
        chance.shuffle(lines)
        lines = [
            chance.choice(["", " ", "\t"]) + line.replace(" ", chance.choice([" ", "\t", "  "]), 1) for line in lines
        ]
        ending = chance.choice(["\n", "\r\n", "\r\r\n"])
        text = chance.choice(["", "\ufeff"]) + ending.join(lines) + chance.choice(["", ending, ending * 2])
        (folder / name).write_bytes(text.encode())
    (folder / "spk2utt").unlink()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_scrambled_directories_become_what_they_were(seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        data = speech.whole(Path(name))
        before = speech.snapshot(data)
        scramble(data, random.Random(seed))
        harmed = speech.snapshot(data)
        assert fixing.fix(data)
        mended = speech.snapshot(data)
        assert {name: content for name, content in mended.items() if not name.startswith(".backup")} == before
        for name, content in harmed.items():
            assert mended.get(f".backup/{name}", mended[name]) == content
        assert fixing.fix(data) == []
        assert speech.snapshot(data) == mended


def test_utterances_without_counterpart_are_dropped_and_named(tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    for name, key in (("text", "s0-u1"), ("wav.scp", "s1-u2"), ("utt2spk", "s2-u3")):
        kept = [line for line in speech.lines(data / name) if not line.startswith(key)]
        (data / name).write_text("\n".join(kept) + "\n")
    did = fixing.fix(data)
    assert f"{data}/wav.scp: dropped 2 recordings that another file lacks: s0-u1, s2-u3" in did
    assert f"{data}/text: dropped 2 utterances that another file lacks: s1-u2, s2-u3" in did
    assert f"{data}/utt2spk: dropped 2 utterances that another file lacks: s0-u1, s1-u2" in did
    assert not validate.examine(data).faults
    assert len(DataDir.read(data).utterances) == 9
    assert len(DataDir.read(data).durations) == 9


def test_segments_and_recordings(tmp_path: Path) -> None:
    data = speech.segmented(tmp_path)
    (data / "segments").write_text((data / "segments").read_text().replace("r1-a r1", "r1-a r9"))
    (data / "wav.scp").write_text((data / "wav.scp").read_text() + f"r2 {tmp_path}/audio/r0.wav\n")
    did = fixing.fix(data)
    assert f"{data}/segments: dropped 1 utterance whose recording is not in 'wav.scp': r1-a" in did
    assert f"{data}/wav.scp: dropped 1 recording that no segment uses: r2" in did
    assert [each.id for each in DataDir.read(data).utterances] == ["r0-a", "r0-b", "r1-b"]


def test_bad_audio_is_dropped_only_when_told(tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    (tmp_path / "audio" / "s0-u0.wav").write_bytes(b"")
    (tmp_path / "audio" / "s2-u3.wav").unlink()
    assert fixing.fix(data) == []
    did = fixing.fix(data, drop_bad_audio=True)
    assert f"{data}/wav.scp: dropped 2 recordings whose audio cannot be read: s0-u0, s2-u3" in did
    assert not validate.examine(data).faults


def test_speakers_are_made_from_what_is_there(tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    before = speech.snapshot(data)
    (data / "utt2spk").unlink()
    assert fixing.fix(data) == [f"{data}/utt2spk: made from 'spk2utt'"]
    assert speech.snapshot(data) == before
    (data / "utt2spk").unlink()
    (data / "spk2utt").unlink()
    fixing.fix(data)
    speakers = DataDir.read(data).speakers
    assert all(speaker == key for key, speaker in speakers.items())


def test_durations_that_lack_utterances_go(tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    (data / "utt2dur").write_text("s0-u0 0.5\n")
    assert fixing.fix(data) == [f"{data}/utt2dur: removed: it lacks utterances"]
    assert (data / ".backup" / "utt2dur").read_text() == "s0-u0 0.5\n"
    assert not validate.examine(data).faults


@pytest.mark.parametrize(("name", "line"), [("utt2spk", "s0-u0 s0 x"), ("text", "s0-u0 another text")])
def test_what_needs_judgement_is_left(tmp_path: Path, name: str, line: str) -> None:
    data = speech.whole(tmp_path)
    with (data / name).open("a") as file:
        file.write(f"{line}\n")
    fixing.fix(data)
    assert line in speech.lines(data / name)
    assert any(f"{data}/{name}:2: " in str(fault) for fault in validate.examine(data).faults)


def test_nothing_is_changed_where_it_refuses(tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    (data / "text").write_bytes(b"\xff\n")
    before = speech.snapshot(tmp_path)
    with pytest.raises(DataError, match=r"text:1: byte 0xff"):
        fixing.fix(data)
    assert speech.snapshot(tmp_path) == before
    (data / "text").write_text("other words\n")
    before = speech.snapshot(tmp_path)
    with pytest.raises(DataError, match=r"no utterance that 'utt2spk', 'wav\.scp' and 'text' share"):
        fixing.fix(data)
    assert speech.snapshot(tmp_path) == before
    with pytest.raises(DataError, match="no such folder"):
        fixing.fix(tmp_path / "none")
    with pytest.raises(DataError, match=r"neither 'wav\.scp' nor"):
        fixing.fix(tmp_path)
