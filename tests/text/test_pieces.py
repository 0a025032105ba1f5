"""The tokenizer ``sentencepiece``."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Literal

import pytest

from dstoolkit import config
from dstoolkit.errors import ConfigError, DataError
from dstoolkit.text.pieces import SentencePiece, SentencePieceConfig

TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "the rain in spain stays mainly in the plain",
    "she sells sea shells by the sea shore",
    "peter piper picked a peck of pickled peppers",
] * 5
KINDS = [SentencePieceConfig(40, "unigram"), SentencePieceConfig(40, "bpe")]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.model_type)
def trained(request: pytest.FixtureRequest) -> tuple[SentencePieceConfig, SentencePiece]:
    return request.param, SentencePiece.train(request.param, TEXTS)


def test_the_blank_is_token_0_and_there_is_no_unk(trained: tuple[SentencePieceConfig, SentencePiece]) -> None:
    settings, tokenizer = trained
    assert len(tokenizer.tokens) == settings.vocab_size
    assert tokenizer.tokens[0] == "<blank>"
    assert len(set(tokenizer.tokens)) == settings.vocab_size
    assert not any(token.startswith("<") for token in tokenizer.tokens[1:])
    assert any(len(token) > 2 for token in tokenizer.tokens[1:])


def test_decode_undoes_encode(trained: tuple[SentencePieceConfig, SentencePiece]) -> None:
    _, tokenizer = trained
    for text in [*TEXTS, "", "a", "thethe fox", "x y z"]:
        ids = tokenizer.encode(text)
        assert 0 not in ids
        assert tokenizer.decode(ids) == text
        assert "".join(tokenizer.tokens[each] for each in ids).replace("\u2581", " ").strip() == text
    with_blanks = [0, *tokenizer.encode("fox"), 0, 0]
    assert tokenizer.decode(with_blanks) == "fox"


def test_decode_agrees_with_the_library(trained: tuple[SentencePieceConfig, SentencePiece], tmp_path: Path) -> None:
    from sentencepiece import SentencePieceProcessor

    _, tokenizer = trained
    tokenizer.save(tmp_path)
    library = SentencePieceProcessor(model_file=str(tmp_path / "sentencepiece.model"))
    for text in TEXTS[:4]:
        assert library.EncodeAsPieces(text) == [tokenizer.tokens[each] for each in tokenizer.encode(text)]
        assert library.DecodeIds(tokenizer.encode(text)) == tokenizer.decode(tokenizer.encode(text))


def test_the_same_texts_give_the_same_model(trained: tuple[SentencePieceConfig, SentencePiece], tmp_path: Path) -> None:
    settings, tokenizer = trained
    (tmp_path / "again").mkdir()
    tokenizer.save(tmp_path)
    SentencePiece.train(settings, TEXTS).save(tmp_path / "again")
    model = "sentencepiece.model"
    assert (tmp_path / model).read_bytes() == (tmp_path / "again" / model).read_bytes()


def test_saved_loaded_and_pickled(trained: tuple[SentencePieceConfig, SentencePiece], tmp_path: Path) -> None:
    settings, tokenizer = trained
    tokenizer.save(tmp_path)
    for again in (SentencePiece.load(settings, tmp_path), pickle.loads(pickle.dumps(tokenizer))):
        assert again.tokens == tokenizer.tokens
        assert again.encode(TEXTS[0]) == tokenizer.encode(TEXTS[0])


def test_unknown_characters_are_refused(trained: tuple[SentencePieceConfig, SentencePiece]) -> None:
    _, tokenizer = trained
    assert tokenizer.unknown("fox é 1\u2581") == ["é", "1", "\u2581"]
    with pytest.raises(DataError, match="no token for 'é', '1' in"):
        tokenizer.encode("fox é 1")
    with pytest.raises(DataError, match="no token 40; expected 0 to 39"):
        tokenizer.decode([40])


def test_long_texts_are_learned_from_too() -> None:
    """The library skips lines beyond its limit of 4,192 bytes; a letter that occurs only in one must be known."""
    tokenizer = SentencePiece.train(SentencePieceConfig(12, "bpe"), ["ab cd", "ab cd " * 1000 + "q"])
    assert tokenizer.unknown("q") == []


def test_texts_of_a_word_become_pieces_whole() -> None:
    """The library takes no limit below 10 bytes for the length of a text, which these do not have."""
    digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    tokenizer = SentencePiece.train(SentencePieceConfig(56, "bpe"), digits * 5)
    assert [len(tokenizer.encode(digit)) for digit in digits] == [1] * 10


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_the_librarys_own_normalisation_is_off(kind: Literal["unigram", "bpe"]) -> None:
    text = "HELLO \ufb01x ½ e\u0301"
    tokenizer = SentencePiece.train(SentencePieceConfig(12, kind), [text] * 9)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("size", [5, 5000])
def test_a_size_the_text_cannot_bear(size: int) -> None:
    with pytest.raises(ConfigError, match=f"tokenizer.vocab_size: {size} unigram pieces cannot be learned"):
        SentencePiece.train(SentencePieceConfig(size), TEXTS)


def test_no_text_and_the_librarys_own_mark() -> None:
    with pytest.raises(DataError, match="no text"):
        SentencePiece.train(SentencePieceConfig(), [""])
    with pytest.raises(DataError, match="stands for a space"):
        SentencePiece.train(SentencePieceConfig(), ["a\u2581b"])


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="model_type: 'word'"):
        config.build(SentencePieceConfig, {"model_type": "word"}, "x")
    with pytest.raises(ConfigError, match="vocab_size: 2"):
        config.build(SentencePieceConfig, {"vocab_size": 2}, "x")


def test_a_missing_and_a_broken_model(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sentencepiece.model: no such file"):
        SentencePiece.load(SentencePieceConfig(), tmp_path)
    (tmp_path / "sentencepiece.model").write_bytes(b"not a model")
    with pytest.raises(DataError, match=r"sentencepiece.model: not a sentencepiece model"):
        SentencePiece.load(SentencePieceConfig(), tmp_path)
