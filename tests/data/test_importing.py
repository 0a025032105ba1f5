"""Manifests as people have them; every fault with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dstoolkit.data import datadir, importing, validate
from dstoolkit.data.importing import Keys
from dstoolkit.errors import DataError, Faults
from dstoolkit.interfaces import Utterance
from tests.data import speech


def valid(folder: Path, imported: importing.Imported) -> datadir.DataDir:
    """The imported utterances, written and found to be valid."""
    out = folder / "out"
    out.mkdir()
    datadir.write(out, imported.utterances, imported.source, imported.durations)
    assert [str(fault) for fault in validate.examine(out).faults] == []
    return datadir.DataDir.read(out)


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_csv(tmp_path: Path) -> None:
    one, two = speech.noise(tmp_path / "clips" / "one.wav"), speech.noise(tmp_path / "clips" / "my two.wav", 0.75)
    path = write(tmp_path / "all.csv", "\ufeffaudio,text,age", "clips/one.wav,  hello   there ,30", f'"{two}","a, b",')
    assert valid(tmp_path, importing.read(path)).utterances == [
        Utterance("my_two", str(two), "my_two", "a, b"),
        Utterance("one", str(one), "one", "hello there"),
    ]
    assert importing.read(path).durations == {"my_two": 0.75, "one": 0.5}


def test_tsv_with_other_names_and_its_own_audio_folder(tmp_path: Path) -> None:
    path = speech.noise(tmp_path / "elsewhere" / "c1.wav")
    manifest = write(tmp_path / "clips.tsv", "client_id\tpath\tsentence", 'Ann B\tc1.wav\tHe said "no')
    keys = Keys(audio="path", text="sentence", speaker="client_id")
    found = valid(tmp_path, importing.read(manifest, keys, audio_folder=path.parent))
    assert found.utterances == [Utterance("Ann_B-c1", str(path), "Ann_B", 'He said "no')]


def test_json_lines_with_stretches(tmp_path: Path) -> None:
    path = str(speech.noise(tmp_path / "talk.wav", 3.0))
    rows = [
        {"audio": "talk.wav", "text": "first", "start": 0, "end": 1.25, "speaker": "ann"},
        {"audio": "talk.wav", "text": "second", "start": "1.25", "speaker": "ann"},
        {"audio": "talk.wav", "text": "whole", "id": 7},
    ]
    manifest = write(tmp_path / "talk.jsonl", json.dumps(rows[0]), "", json.dumps(rows[1]), json.dumps(rows[2]))
    imported = importing.read(manifest)
    assert imported.durations == {"ann-talk-00000000-00001250": 1.25, "ann-talk-00001250-end": 1.75, "7": 3.0}
    assert valid(tmp_path, imported).utterances == [
        Utterance("7", path, "7", "whole", 0.0, None, "7"),
        Utterance("ann-talk-00000000-00001250", path, "ann", "first", 0.0, 1.25, "talk"),
        Utterance("ann-talk-00001250-end", path, "ann", "second", 1.25, None, "talk"),
    ]


def test_folder_of_json_lines_and_audio_by_uuid(tmp_path: Path) -> None:
    files = {"0e3f": "0e3f.wav", "1a2b": "1a2b.flac"}
    paths = {key: str(speech.noise(tmp_path / "set" / "audio" / name)) for key, name in files.items()}
    rows = [json.dumps({"uuid": key, "text": f"text of {key}", "duration_s": 0.5}) for key in files]
    write(tmp_path / "set" / "set.jsonl", *rows)
    found = valid(tmp_path, importing.read(tmp_path / "set"))
    assert [(each.id, each.path, each.text) for each in found.utterances] == [
        (key, path, f"text of {key}") for key, path in paths.items()
    ]


def test_equal_file_names_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for name in ("x/1.wav", "y/1.wav", "y/2.wav"):
        speech.noise(tmp_path / name)
    manifest = write(tmp_path / "all.csv", "audio,text", "x/1.wav,a", "y/1.wav,b", "y/2.wav,c")
    assert [each.id for each in valid(tmp_path, importing.read(manifest)).utterances] == ["x-1", "y-1", "y-2"]


def test_kaldi_directory_is_checked_and_made_absolute(tmp_path: Path) -> None:
    data = speech.segmented(tmp_path)
    (data / "wav.scp").write_text("r0 ../audio/r0.wav\nr1 ../audio/r1.wav\n")
    imported = importing.read(data)
    assert imported.source == "wav.scp"
    assert {each.path for each in valid(tmp_path, imported).utterances} == {
        str(tmp_path / "audio" / f"{name}.wav") for name in ("r0", "r1")
    }
    (tmp_path / "audio" / "r1.wav").unlink()
    with pytest.raises(DataError, match=r"wav\.scp:2: .*no such file"):
        importing.read(data)


def test_without_transcripts(tmp_path: Path) -> None:
    speech.noise(tmp_path / "a.wav")
    manifest = write(tmp_path / "all.csv", "audio", "a.wav")
    with pytest.raises(DataError, match=r"no column 'text' \(have: audio\); name it with --text, or pass --no-text"):
        importing.read(manifest)
    assert valid(tmp_path, importing.read(manifest, Keys(text=None))).texts == {}


def test_every_fault_with_its_line(tmp_path: Path) -> None:
    for name, rate in (("a.wav", 8000), ("b.wav", 8000), ("c.wav", 16000)):
        speech.noise(tmp_path / name, rate=rate)
    (tmp_path / "empty.wav").write_bytes(b"")
    rows = [
        {"audio": "a.wav", "text": "fine"},
        {"audio": "none.wav", "text": "missing"},
        {"audio": "empty.wav", "text": "empty"},
        {"audio": "b.wav"},
        {"audio": "b.wav", "text": 5},
        {"text": "nowhere"},
        {"audio": "c.wav", "text": "other rate"},
        {"audio": "a.wav", "text": "again", "id": "a"},
        {"audio": "b.wav", "text": "late", "start": 0.6},
        {"audio": "b.wav", "text": "reversed", "start": 0.4, "end": 0.2},
        {"audio": "b.wav", "text": "odd", "start": "soon"},
        {"audio": True, "text": "odd"},
    ]
    manifest = write(tmp_path / "all.jsonl", *map(json.dumps, rows))
    with pytest.raises(Faults) as caught:
        importing.read(manifest)
    said = {int(fault.where.rpartition(":")[2]): str(fault) for fault in caught.value.faults}
    assert all(fault.where.startswith(f"{manifest}:") for fault in caught.value.faults)
    expected = {
        2: "no such file",
        3: "an empty file",
        4: "no text",
        5: "text 5; expected a text",
        6: "no audio; expected an audio file",
        7: "has 16000 Hz; expected 8000 Hz",
        8: f"utterance 'a' again; expected it once; it is at {manifest}:1 too",
        9: "the stretch from 0.6 to 0.5 s",
        10: "the stretch from 0.4 to 0.2 s",
        11: "start 'soon'; expected seconds",
        12: "audio True; expected a word",
    }
    assert sorted(said) == sorted(expected)
    for line, text in expected.items():
        assert text in said[line]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b'{"audio": "a.wav"\n', r"a\.jsonl:1: not json"),
        ("a.jsonl", b"[1]\n", r"a\.jsonl:1: a JSON list; expected an object"),
        ("a.jsonl", b"\n", "no rows"),
        ("a.csv", b"audio,text\na.wav,x\na.wav\n", r"a\.csv:3: 1 field; expected 2: audio, text"),
        ("a.csv", b'audio,text\n"a\nb.wav",x\nc.wav\n', r"a\.csv:4: 1 field;"),
        ("a.csv", b'audio,text\na.wav,"x\n', r"a\.csv:2: not CSV"),
        ("a.csv", b"audio,audio\na,b\n", "two columns of one name"),
        ("a.csv", b"audio,text\na.wav,\xff\n", r"a\.csv:2: byte 0xff; expected UTF-8"),
        ("a.csv", b"file,text\na.wav,x\n", r"no column 'audio' \(have: file, text\); name it with --audio"),
        ("a.txt", b"x", r"a file ending in '\.txt'"),
    ],
)
def test_manifests_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        importing.read(tmp_path / name)


def test_sources_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        importing.read(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"no manifest and no 'wav\.scp'"):
        importing.read(tmp_path)
    write(tmp_path / "a.csv", "audio")
    write(tmp_path / "b.jsonl", "{}")
    with pytest.raises(DataError, match=r"several manifests: 'a\.csv', 'b\.jsonl'"):
        importing.read(tmp_path)


def test_uuid_with_no_file_or_several(tmp_path: Path) -> None:
    for name in ("u1.wav", "u1.flac"):
        speech.noise(tmp_path / "audio" / name)
    manifest = write(tmp_path / "a.jsonl", '{"uuid": "u1", "text": "x"}', '{"uuid": "u2", "text": "y"}')
    with pytest.raises(Faults) as caught:
        importing.read(manifest)
    assert "a.jsonl:1: 2 files 'audio/u1.*'" in str(caught.value)
    assert "a.jsonl:2: no file 'audio/u2.*'" in str(caught.value)
