"""Vocabulary folders: saved and loaded, altered by hand, and characters that no token covers."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from dstoolkit.config import Choice
from dstoolkit.errors import ConfigError, DataError, DstoolkitError, Faults, PluginError
from dstoolkit.pipeline.vocabulary import Sections, Vocabulary
from dstoolkit.text.normalize import Normalization

TEXTS = {"u1": "Hello, World!", "u2": "It's me", "u3": "hello"}
CHARACTERS = Choice("characters")
DERIVE = Choice("characters", {"characters": "derive"})
PIECES = Choice("sentencepiece", {"vocab_size": 18, "model_type": "bpe"})


def trained(choice: Choice = CHARACTERS, **options: str) -> Vocabulary:
    return Vocabulary.train(Normalization(**options), choice, TEXTS.values())  # type: ignore[arg-type]


def saved(folder: Path, choice: Choice = CHARACTERS, **options: str) -> Path:
    trained(choice, **options).save(folder)
    return folder


@pytest.mark.parametrize("choice", [CHARACTERS, DERIVE, PIECES], ids=["characters", "derived", "sentencepiece"])
def test_saved_and_loaded(tmp_path: Path, choice: Choice) -> None:
    vocabulary = trained(choice, case="upper") if choice is not CHARACTERS else trained(choice)
    vocabulary.save(tmp_path)
    loaded = Vocabulary.load(tmp_path)
    assert loaded.normalization == vocabulary.normalization
    assert loaded.choice == vocabulary.choice
    assert loaded.size == vocabulary.size == len(loaded.tokenizer.tokens)
    for again in (loaded, pickle.loads(pickle.dumps(vocabulary))):
        for text in TEXTS.values():
            assert again.encode(text) == vocabulary.encode(text)
            assert again.decode(again.encode(text)) == again.normalize(text) == vocabulary.normalization.apply(text)


def test_saved_twice_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        saved(tmp_path / name, PIECES)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_a_loaded_vocabulary_can_be_saved_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    Vocabulary.load(saved(tmp_path / "a", DERIVE)).save(tmp_path / "b")
    assert Vocabulary.load(tmp_path / "b").tokenizer.tokens == trained(DERIVE).tokenizer.tokens


def test_unknown_characters_are_counted_shown_and_refused() -> None:
    texts = {"a": "Ça va?", "b": "façade 2", "c": "ok"}
    with pytest.raises(Faults) as caught:
        trained().encode_all(texts, "data/train/text")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("data/train/text: 2 characters have no token; expected only ")
    assert lines[1:] == [
        "data/train/text: 'ç' (U+00E7 latin small letter c with cedilla) occurs 2 times, first in 'a'",
        "data/train/text: '2' (U+0032 digit two) occurs once, first in 'b'",
    ]
    with pytest.raises(DataError, match="no token for 'ç'"):
        trained().encode("Ça")


def test_unknown_characters_are_dropped_when_told_and_still_counted() -> None:
    vocabulary = trained(unknown="drop")
    texts = {"a": "Ça va 2 you", "b": "ok"}
    assert [(each.character, each.count) for each in vocabulary.check(texts, "x")] == [("2", 1), ("ç", 1)]
    encoded = vocabulary.encode_all(texts, "x")
    assert vocabulary.decode(encoded["a"]) == vocabulary.normalize(texts["a"]) == "a va you"


def test_sections_of_a_configuration() -> None:
    sections = Sections.of({"text": {"case": "keep"}, "tokenizer": "sentencepiece", "train": {"no": 1}}, "conf/x.yaml")
    assert sections.text == Normalization(case="keep")
    assert sections.tokenizer == Choice("sentencepiece")
    assert sections.tokenizer.where == "conf/x.yaml: tokenizer"
    assert Sections.of({}, "") == Sections(Normalization(), Choice("characters"))
    with pytest.raises(ConfigError, match=r"conf/x.yaml: text.cas: no such option; did you mean 'case'"):
        Sections.of({"text": {"cas": "keep"}}, "conf/x.yaml")


def test_an_unknown_tokenizer() -> None:
    with pytest.raises(PluginError, match="no tokenizer 'words'"):
        trained(Choice("words", {}, "conf/x.yaml: tokenizer"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "found"),
    [
        ("tokens.txt", "m\n", "", "28 tokens; 'vocabulary.yaml' says 29"),
        ("vocabulary.yaml", "size: 29", "size: 30", "29 tokens; 'vocabulary.yaml' says 30"),
        ("tokens.txt", "m\nn\n", "n\nm\n", "tokens.txt: was altered since it was made"),
        ("vocabulary.yaml", "format: 1", "format: 2", "format 2; this dstoolkit reads format 1"),
        ("vocabulary.yaml", "case: lower", "case: loud", "text.case: 'loud'"),
        ("vocabulary.yaml", "name: characters", "name: words", "no tokenizer 'words'"),
        ("vocabulary.yaml", "size:", "sise:", "sise: no such option; did you mean 'size'?"),
        ("vocabulary.yaml", "tokens.txt", "token.txt", "token.txt: no such file"),
        ("vocabulary.yaml", "format: 1", "format: [1", "not YAML"),
    ],
)
def test_a_folder_edited_by_hand(tmp_path: Path, file: str, old: str, new: str, found: str) -> None:
    edit(saved(tmp_path) / file, old, new)
    with pytest.raises(DstoolkitError) as caught:
        Vocabulary.load(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))
    assert found in str(caught.value)


@pytest.mark.parametrize(
    ("choice", "file"),
    [(CHARACTERS, "tokens.txt"), (PIECES, "sentencepiece.model"), (CHARACTERS, "vocabulary.yaml")],
)
def test_a_missing_file(tmp_path: Path, choice: Choice, file: str) -> None:
    (saved(tmp_path, choice) / file).unlink()
    with pytest.raises(DstoolkitError, match=rf"{file}: no such file"):
        Vocabulary.load(tmp_path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="no such folder; expected a vocabulary; make it with 'dstoolkit tokenizer train'"
    ):
        Vocabulary.load(tmp_path / "none")
