"""The tokenizer ``characters``."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstoolkit import config
from dstoolkit.errors import ConfigError, DataError, Faults
from dstoolkit.text.characters import KUR, Characters, CharactersConfig

DERIVE = CharactersConfig("derive")


def test_the_default_is_kurs_28() -> None:
    tokenizer = Characters.train(CharactersConfig(), [])
    assert len(tokenizer.tokens) == 29
    assert tokenizer.tokens[0] == "<blank>"
    assert set(tokenizer.tokens[1:]) == set("abcdefghijklmnopqrstuvwxyz '")
    assert tokenizer.encode("ab 'z") == [1, 2, 27, 28, 26]
    assert tokenizer.decode([0, 1, 0, 1, 2, 0]) == "aab"


@given(st.lists(st.text(KUR)))
def test_decode_undoes_encode(texts: list[str]) -> None:
    tokenizer = Characters(KUR)
    for text in texts:
        ids = tokenizer.encode(text)
        assert 0 not in ids
        assert tokenizer.decode(ids) == text


def test_derived_from_hebrew_spanish_and_russian() -> None:
    tokenizer = Characters.train(DERIVE, ["כן לא", "¿qué?", "да"])
    assert tokenizer.tokens == ("<blank>", *sorted(set("כן לא¿qué?да")))
    assert tokenizer.decode(tokenizer.encode("לא да")) == "לא да"


def test_nothing_to_derive_from() -> None:
    with pytest.raises(DataError, match="no text"):
        Characters.train(DERIVE, ["", ""])


def test_unknown_characters_are_named() -> None:
    tokenizer = Characters(KUR)
    assert tokenizer.unknown("é1 é") == ["é", "1", "é"]
    with pytest.raises(DataError, match="no token for 'é', '1' in 'é1 é'"):
        tokenizer.encode("é1 é")


@pytest.mark.parametrize("token_id", [-1, 29])
def test_unknown_ids_are_refused(token_id: int) -> None:
    with pytest.raises(DataError, match=f"no token {token_id}; expected 0 to 28"):
        Characters(KUR).decode([1, token_id])


@pytest.mark.parametrize("characters", ["", "aba", "a\tb"])
def test_sets_that_cannot_be(characters: str) -> None:
    with pytest.raises(ConfigError, match="x: characters: "):
        config.build(CharactersConfig, {"characters": characters}, "x")


def test_saved_and_loaded(tmp_path: Path) -> None:
    tokenizer = Characters.train(DERIVE, ["b é a", "\u2028<>"])
    tokenizer.save(tmp_path)
    lines = (tmp_path / "tokens.txt").read_text(encoding="utf-8").split("\n")
    assert lines == ["<blank>", "<space>", "<", ">", "a", "b", "é", "\u2028", ""]
    for again in (Characters.load(DERIVE, tmp_path), pickle.loads(pickle.dumps(tokenizer))):
        assert again.tokens == tokenizer.tokens
        assert again.encode("a é") == tokenizer.encode("a é")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "tokens.txt:1: ''"),
        ("a\nb\n", "tokens.txt:1: 'a'"),
        ("<blank>\na\na\n", "tokens.txt:3: 'a'"),
        ("<blank>\na\nbc\n", "tokens.txt:3: 'bc'"),
        ("<blank>\na\n\n", "tokens.txt:3: ''"),
    ],
)
def test_a_file_that_is_none_of_ours(tmp_path: Path, content: str, found: str) -> None:
    (tmp_path / "tokens.txt").write_text(content, encoding="utf-8")
    with pytest.raises((DataError, Faults)) as caught:
        Characters.load(DERIVE, tmp_path)
    assert found in str(caught.value)


def test_a_missing_file_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tokens.txt: no such file"):
        Characters.load(DERIVE, tmp_path)
    (tmp_path / "tokens.txt").write_bytes(b"<blank>\n\xff\n")
    with pytest.raises(DataError, match=r"tokens.txt: not readable as UTF-8"):
        Characters.load(DERIVE, tmp_path)
