"""The ``.jsonl`` file: what is read, and every fault at once with its line."""

from __future__ import annotations

import json

import pytest
from dstoolkit_kur import manifest

from dstoolkit.errors import DataError, Faults


def lines(folder, *rows):
    text = "".join(each if isinstance(each, str) else json.dumps(each) + "\n" for each in rows)
    (folder / "data.jsonl").write_text(text)


def row(name="u0", text="a", seconds=1.0):
    return {"uuid": name, "text": text, "duration_s": seconds}


def test_read(make):
    folder = make(texts=("a bad", "cab"))
    found = manifest.find(folder)
    assert found.path == folder / "data.jsonl"
    assert [(each.id, each.text, each.audio) for each in found.entries] == [
        ("u0", "a bad", folder / "audio" / "u0.wav"),
        ("u1", "cab", folder / "audio" / "u1.wav"),
    ]
    assert found.entries[1].duration == pytest.approx(0.2 + 3 * 0.12)


def test_the_key_of_the_transcripts(make):
    folder = make(texts=("bad",), key="spoken")
    assert manifest.find(folder, "spoken").entries[0].text == "bad"
    with pytest.raises(DataError, match=r"data\.jsonl:1: no 'text'; it has 'duration_s', 'spoken', 'uuid'"):
        manifest.find(folder)


def test_texts_lose_line_breaks_and_blanks_around_and_may_be_empty(make):
    folder = make(texts=("a", "b"))
    lines(folder, row(text=" a\tb\n c "), "\n", row("u1", ""))
    assert [each.text for each in manifest.find(folder).entries] == ["a b c", ""]


def test_audio_of_any_known_ending_kurs_own_first(make):
    folder = make(texts=("a", "b", "a"))
    for old, new in (("u0.wav", "u0.flac"), ("u1.wav", "u1.ogg"), ("u2.wav", "u2.mp3")):
        (folder / "audio" / old).rename(folder / "audio" / new)
    (folder / "audio" / "u2.flac").touch()
    found = manifest.find(folder).entries
    assert [each.audio.name for each in found] == ["u0.flac", "u1.ogg", "u2.mp3"]


def test_a_folder_below(make, tmp_path):
    make("outer/b/inner")
    (tmp_path / "outer" / "a").mkdir()
    (tmp_path / "outer" / ".hidden.jsonl").write_text("no\n")
    assert manifest.find(tmp_path / "outer").path == tmp_path / "outer" / "b" / "inner" / "data.jsonl"


def test_several_files_or_none(make, tmp_path):
    folder = make()
    (folder / "other.jsonl").touch()
    with pytest.raises(DataError, match=r"2 '\.jsonl' files, 'data\.jsonl', 'other\.jsonl'; expected one"):
        manifest.find(folder)
    with pytest.raises(DataError, match=r"audio: no '\.jsonl' file; expected one"):
        manifest.find(folder / "audio")


def test_every_fault_at_once_with_its_line(make):
    folder = make(texts=("a", "b"))
    lines(
        folder,
        row(),
        "{no json}\n",
        {"uuid": "u1", "text": "b"},
        row(),
        row("missing"),
        row("u1", ["b"]),
        [1],
        row("../u1"),
        row("u 1"),
    )
    with pytest.raises(Faults) as error:
        manifest.find(folder)
    told = [str(each).removeprefix(f"{folder}/data.jsonl:") for each in error.value.faults]
    expected = [
        "2: not JSON: ",
        "3: no 'duration_s'",
        "4: uuid 'u0' again; expected it once; it is on line 1 too",
        "5: no audio file 'audio/missing.*'",
        "6: uuid 'u1' again; expected it once; it is on line 3 too",
        "6: text \"['b']\"; expected a transcript",
        "7: '[1]'; expected an object",
        "8: uuid '../u1'; expected the name of an audio file",
        "9: uuid 'u 1'; expected the name of an audio file",
    ]
    for line in expected:
        assert any(each.startswith(line) for each in told), (line, told)


@pytest.mark.parametrize("seconds", ["1", True, 0, -1, float("nan"), float("inf"), None])
def test_durations_are_numbers_above_0(make, seconds):
    folder = make(texts=("a",))
    lines(folder, row(seconds=seconds))
    with pytest.raises(DataError, match=r"data\.jsonl:1: duration_s .*; expected seconds, more than 0"):
        manifest.find(folder)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "data.jsonl: no utterances"),
        (b"\xff\n", "data.jsonl:1: not UTF-8 text"),
        (b"[" * 100000, "data.jsonl:1: not JSON: "),
        (b'{"uuid": "u0", "text": "\\ud800", "duration_s": 1}', "data.jsonl:1: text "),
    ],
)
def test_no_file_of_utterances(make, content, told):
    folder = make(texts=("a",))
    (folder / "data.jsonl").write_bytes(content)
    with pytest.raises(DataError) as error:
        manifest.find(folder)
    assert str(error.value).startswith(f"{folder}/{told}")
