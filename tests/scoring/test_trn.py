"""NIST's trn files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dstoolkit.errors import DataError, Faults
from dstoolkit.scoring import trn


def test_words_then_id(tmp_path: Path) -> None:
    path = tmp_path / "ref.trn"
    path.write_text(";; comment\nyes no (s1-u1)\n(s1-u2)\r\n\nuh (um) да (s2-u1)\n", encoding="utf-8")
    assert trn.read(path) == {"s1-u1": "yes no", "s1-u2": "", "s2-u1": "uh (um) да"}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ref.trn"
    texts = {"s1-u1": "yes no", "s1-u2": "", "s2-u1": "uh (um) да"}
    path.write_text(trn.lines((key, text.split()) for key, text in texts.items()), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "yes no (s1-u1)\n(s1-u2)\nuh (um) да (s2-u1)\n"
    assert trn.read(path) == texts


def test_all_faults_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "ref.trn"
    path.write_bytes(b"\xef\xbb\xbfoh (u0)\nyes (u1)\nno id here\n\xff (u2)\nno (u1)\nno ()\na (u(3))\na\0b (u4)\n")
    with pytest.raises(Faults) as caught:
        trn.read(path)
    assert [str(fault).partition(";")[0].replace(str(path), "ref.trn") for fault in caught.value.faults] == [
        "ref.trn:1: a byte order mark",
        "ref.trn:3: no utterance id in 'no id here'",
        "ref.trn:4: not UTF-8 text",
        "ref.trn:5: utterance 'u1' is there twice",
        "ref.trn:6: no utterance id in 'no ()'",
        "ref.trn:7: parentheses within the id at the end of 'a (u(3))'",
        "ref.trn:8: control character '\\x00'",
    ]


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "ref.trn"
    path.write_text(";; nothing\n")
    with pytest.raises(DataError, match="no utterances"):
        trn.read(path)
