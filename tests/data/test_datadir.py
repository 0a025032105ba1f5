"""Directories written and read again, byte for byte; Kaldi's own rules on hand-made ones."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dstoolkit.data import datadir
from dstoolkit.data.datadir import DataDir
from dstoolkit.errors import DataError, Faults
from dstoolkit.interfaces import Utterance
from tests.data import speech

# Words as Kaldi's tables hold them: any characters but blanks, line feeds and other control characters.
words = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp"), exclude_characters="\ufeff|"),
    min_size=1,
    max_size=6,
)
texts = st.lists(words, max_size=4).map(" ".join)
times = st.tuples(st.floats(0, 1e4), st.floats(1e-3, 1e4)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@st.composite
def directories(draw: st.DrawFn) -> tuple[list[Utterance], str, dict[str, float] | None]:
    """Random utterances, in any order, and which kind of directory they are for."""
    keys = draw(st.lists(words, min_size=1, max_size=8, unique=True))
    speakers = draw(st.lists(words, min_size=1, max_size=3))
    transcribed, kind = draw(st.booleans()), draw(st.sampled_from(["whole", "segments", "feats.scp"]))
    utterances = []
    for at, key in enumerate(keys):
        text = draw(texts) if transcribed else None
        made = Utterance(key, f"/audio/{draw(words)}/{at}.wav", draw(st.sampled_from(speakers)), text)
        if kind == "segments":
            start, end = draw(times)
            recording = f"r{at % 2}"
            until = draw(st.sampled_from([end, None]))
            made = replace(made, path=f"/audio/{recording}.wav", start=start, end=until, recording=recording)
        utterances.append(made)
    durations = draw(st.none() | st.fixed_dictionaries({key: st.floats(1e-3, 1e5) for key in keys}))
    return utterances, "feats.scp" if kind == "feats.scp" else "wav.scp", durations


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(directories())
def test_round_trip(made: tuple[list[Utterance], str, dict[str, float] | None]) -> None:
    utterances, source, durations = made
    with tempfile.TemporaryDirectory() as name:
        first, second = Path(name, "first"), Path(name, "second")
        first.mkdir()
        second.mkdir()
        datadir.write(first, utterances, source, durations)
        data = DataDir.read(first)
        assert data.utterances == sorted(utterances, key=lambda each: each.id.encode())  # C order is by bytes
        assert (data.source, data.durations) == (source, durations or {})
        datadir.write(second, data.utterances, data.source, data.durations or None)
        assert speech.snapshot(first) == speech.snapshot(second)


def test_files_are_kaldis(tmp_path: Path) -> None:
    datadir.write(
        tmp_path,
        [
            Utterance("b-2", "/x/r.flac", "b", "", 1.5, None, "r"),
            Utterance("b-1", "/x/r.flac", "b", "hello there", 0, 1.5, "r"),
        ],
    )
    assert speech.snapshot(tmp_path) == {
        "wav.scp": b"r /x/r.flac\n",
        "segments": b"b-1 r 0.0 1.5\nb-2 r 1.5 -1\n",
        "text": b"b-1 hello there\nb-2\n",
        "utt2spk": b"b-1 b\nb-2 b\n",
        "spk2utt": b"b b-1 b-2\n",
    }


def test_relative_paths_are_the_directorys_else_the_current_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    speech.noise(data / "near.wav")
    speech.noise(tmp_path / "far.wav")
    monkeypatch.chdir(tmp_path)
    (data / "wav.scp").write_text("a near.wav\nb far.wav\nc my file.wav\n")
    (data / "utt2spk").write_text("a s\nb s\nc s\n")
    (data / "spk2utt").write_text("s a b c\n")
    found = [each.path for each in DataDir.read("data").utterances]
    assert found == [str(data / "near.wav"), str(tmp_path / "far.wav"), str(tmp_path / "my file.wav")]


def test_feature_files_keep_their_offset(tmp_path: Path) -> None:
    (tmp_path / "raw.ark").write_bytes(b"x")
    assert datadir.locate(tmp_path, "raw.ark:17") == f"{tmp_path}/raw.ark:17"
    assert datadir.locate(tmp_path, "raw.ark:17[0:9]") == f"{tmp_path}/raw.ark:17[0:9]"
    assert datadir.locate(tmp_path, "/elsewhere/raw.ark:17") == "/elsewhere/raw.ark:17"


def test_read_text(tmp_path: Path) -> None:
    path = tmp_path / "hyp"
    path.write_text("b two  words \na\nc\tx\ny", encoding="utf-8")
    assert datadir.read_text(path) == {"b": "two  words", "a": "", "c": "x", "y": ""}
    path.write_text("a x\nb y\na z\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"hyp:3: utterance 'a' again; expected it once; it is on line 1 too"):
        datadir.read_text(path)
    with pytest.raises(DataError, match="no such file"):
        datadir.read_text(tmp_path / "none")
    path.write_text("")
    with pytest.raises(DataError, match="an empty file"):
        datadir.read_text(path)


def test_unicode_line_separators_do_not_divide_lines(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("a one\u2028two\u3000three\u0085\n".encode())
    assert datadir.read_text(path) == {"a": "one\u2028two\u3000three\u0085"}


def test_faulty_directories_are_not_read(tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    (data / "utt2spk").write_text((data / "utt2spk").read_text().replace("s0-u1 s0", "s0-u1 s0 x"))
    (data / "text").write_text("")
    with pytest.raises(Faults) as caught:
        DataDir.read(data)
    assert f"{data}/utt2spk:2: 3 fields in 's0-u1 s0 x'; expected '<utterance> <speaker>'" in str(caught.value)
    assert len(caught.value.faults) == 14  # the line, the empty text, and each of 12 utterances without text
    with pytest.raises(DataError, match="no such folder"):
        DataDir.read(tmp_path / "none")


GOOD = Utterance("a", "/x/a.wav", "s", "hello")


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([], "no utterances"),
        ([GOOD, GOOD], "is there twice"),
        ([GOOD, replace(GOOD, id="b", text=None)], "'b' has no text, others have"),
        ([replace(GOOD, id="a b")], "id 'a b'; expected a word without blanks"),
        ([replace(GOOD, speaker="")], "speaker ''"),
        ([replace(GOOD, text="two\nlines")], "expected one line"),
        ([replace(GOOD, text=" padded")], "expected one line"),
        ([replace(GOOD, path="/x/\udcff.wav")], "path"),
        ([replace(GOOD, path="sph2pipe x.sph |")], "no pipe"),
        ([replace(GOOD, recording="r"), replace(GOOD, id="b", path="/y.wav", recording="r")], "the same recording"),
    ],
)
def test_what_the_files_cannot_hold_is_refused(tmp_path: Path, bad: list[Utterance], said: str) -> None:
    with pytest.raises(DataError, match=said):
        datadir.write(tmp_path, bad)
    assert not list(tmp_path.iterdir())


def test_unknown_source(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected one of wav\.scp, feats\.scp"):
        datadir.write(tmp_path, [GOOD], "feats.ark")


def test_real_directory_is_written_as_it_was(corpora: Path, tmp_path: Path) -> None:
    data = DataDir.read(corpora / "speechocean")
    datadir.write(tmp_path, data.utterances)
    for name in ("text", "utt2spk", "spk2utt"):
        assert (tmp_path / name).read_bytes() == (corpora / "speechocean" / name).read_bytes()
    assert all(Path(each.path).is_file() for each in data.utterances)
