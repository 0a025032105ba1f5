"""``dstoolkit tokenizer``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dstoolkit.pipeline.vocabulary import Vocabulary


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text"
    path.write_text("u1 HELLO, world\nu2 it's\nu3 hello\n", encoding="utf-8")
    return path


def test_train_encode_decode(dstoolkit: Any, tmp_path: Path, text: Path) -> None:
    out = tmp_path / "data" / "tokenizer"
    assert "29 tokens (characters; case lower, punctuation remove" in dstoolkit("tokenizer", "train", text, out).stdout
    assert {each.name for each in out.iterdir()} == {"stamp.json", "tokens.txt", "vocabulary.yaml"}
    assert dstoolkit("tokenizer", "encode", out, "Abc!", "a b").stdout == "1 2 3\n1 27 2\n"
    assert dstoolkit("tokenizer", "decode", out, 8, 0, 5, 12, 12, 15).stdout == "hello\n"


def test_the_same_command_again_is_done_and_another_is_refused(dstoolkit: Any, tmp_path: Path, text: Path) -> None:
    out = tmp_path / "tokenizer"
    dstoolkit("tokenizer", "train", text, out)
    before = (out / "vocabulary.yaml").stat().st_mtime_ns
    assert "done already" in dstoolkit("tokenizer", "train", text, out, "--set", "text.case=lower").stdout
    refused = dstoolkit("tokenizer", "train", text, out, "--set", "tokenizer.characters=derive", status=2)
    assert "tokenizer.characters was \"abcdefghijklmnopqrstuvwxyz '\", now 'derive'" in refused.stderr
    text.write_text("u1 hi\n")
    assert "input 'text' has changed" in dstoolkit("tokenizer", "train", text, out, status=2).stderr
    assert (out / "vocabulary.yaml").stat().st_mtime_ns == before
    dstoolkit("tokenizer", "train", text, out, "--set", "tokenizer.characters=derive", "--force")
    assert Vocabulary.load(out).tokenizer.tokens == ("<blank>", "h", "i")


def test_a_configuration_file_with_other_sections(dstoolkit: Any, tmp_path: Path, text: Path) -> None:
    conf = tmp_path / "train.yaml"
    conf.write_text("train: {epochs: 3}\ntext: {case: upper}\ntokenizer: {name: sentencepiece, vocab_size: 14}\n")
    out = tmp_path / "tokenizer"
    shown = dstoolkit("tokenizer", "train", text, out, "--config", conf, "--set", "tokenizer.model_type=bpe").stdout
    assert "14 tokens (sentencepiece; case upper" in shown
    ids = dstoolkit("tokenizer", "encode", out, "hello").stdout.split()
    assert dstoolkit("tokenizer", "decode", out, *ids).stdout == "HELLO\n"


def test_out_of_set_characters(dstoolkit: Any, tmp_path: Path, text: Path) -> None:
    text.write_text("u1 señor 5\nu2 niño\n", encoding="utf-8")
    out = tmp_path / "tokenizer"
    refused = dstoolkit("tokenizer", "train", text, out, status=2).stderr
    assert f"{text}: 2 characters have no token" in refused
    assert "'ñ' (U+00F1 latin small letter n with tilde) occurs 2 times, first in 'u1'" in refused
    assert not out.exists()
    dropped = dstoolkit("tokenizer", "train", text, out, "--set", "text.unknown=drop").stdout
    assert "dropped: 'ñ' (U+00F1" in dropped
    assert "dropped: '5' (U+0035" in dropped
    again = dstoolkit("tokenizer", "train", text, tmp_path / "es", "--set", "tokenizer.characters=derive")
    assert "dropped" not in again.stdout
    assert "no token for 'x'" in dstoolkit("tokenizer", "encode", tmp_path / "es", "x", status=2).stderr


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "text: an empty file"), (b"u1 a\nu1 b\n", "text:2: "), (b"u1 a\nu2 \xff\n", "text:2: ")],
    ids=["empty", "duplicate id", "not UTF-8"],
)
def test_a_text_that_cannot_be_read(dstoolkit: Any, tmp_path: Path, text: Path, content: bytes, found: str) -> None:
    text.write_bytes(content)
    assert found in dstoolkit("tokenizer", "train", text, tmp_path / "tokenizer", status=2).stderr
    assert [each.name for each in tmp_path.iterdir()] == ["text"]


def test_bad_options(dstoolkit: Any, tmp_path: Path, text: Path) -> None:
    out = tmp_path / "tokenizer"
    for override, found in [
        ("text.cas=lower", "--set: text.cas: no such option; did you mean 'case'?"),
        ("tokenizer=words", "--set: tokenizer: no tokenizer 'words'"),
        ("tokenizer.characters=aa", "'a' is there twice"),
    ]:
        assert found in dstoolkit("tokenizer", "train", text, out, "--set", override, status=2).stderr
    assert "no such folder" in dstoolkit("tokenizer", "encode", out, "a", status=2).stderr


def piped(arguments: list[str], given: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "dstoolkit", "tokenizer", *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=False)


def test_standard_input_line_by_line(dstoolkit: Any, tmp_path: Path, text: Path) -> None:
    out = str(tmp_path / "tokenizer")
    dstoolkit("tokenizer", "train", text, out)
    assert piped(["encode", out], b"ab\n\nc\n").stdout == b"1 2\n\n3\n"
    assert piped(["decode", out], b"1 2\n\n3\n").stdout == b"ab\n\nc\n"
    bad = piped(["encode", out], b"ab\n\xff\n")
    assert (bad.returncode, bad.stderr) == (2, b"dstoolkit: standard input:2: not UTF-8 text\n")
    assert b"'1 x'" in piped(["decode", out], b"1 x\n").stderr
