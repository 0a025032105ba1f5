"""Normalisation: hand-worked cases, and properties of any text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstoolkit import config
from dstoolkit.errors import ConfigError
from dstoolkit.text.normalize import Normalization, spell_numbers

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]) | st.sampled_from("aZéÉ'’ -.,;1289º %$ßœ־״¿¡\u0301\u00a0")
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello,  World!", "hello world"),
        ("Don’t stop", "don't stop"),
        ("'tis the dogs' bone", "tis the dogs bone"),
        ("L'eau d’été", "l'eau d'été"),
        ("rock 'n' roll", "rock n roll"),
        ("well-known — really", "well known really"),
        ("¿Qué tal? «Bien»", "qué tal bien"),
        ("U.S.A.", "u s a"),
        ("snake_case", "snake case"),
        ("צה״ל, ג׳ירפה", "צה״ל ג׳ירפה"),
        ("50% & $3", "50% & $3"),  # spoken signs stay, so that they are refused and not lost
        ("e\u0301te\u0301", "été"),
        ("  tab\tand\u00a0no-break\n", "tab and no break"),
        ("...", ""),
        ("ПРИВЕТ, Мир", "привет мир"),
    ],
)
def test_default_normalisation(text: str, expected: str) -> None:
    assert Normalization().apply(text) == expected


def test_each_step_can_be_turned_off() -> None:
    keep = Normalization(case="keep", punctuation="keep", unicode="none", numbers="keep")
    assert keep.apply(" E\u0301, it’s  \ufb01ne: 1! ") == "E\u0301, it’s \ufb01ne: 1!"
    assert Normalization(case="upper").apply("straße, hi") == "STRASSE HI"
    assert Normalization(unicode="NFKC").apply("\ufb01ne") == "fine"
    assert Normalization(numbers="spell").apply("Dial 911-22.") == "dial nine hundred and eleven twenty two"


def test_numbers_are_spelled_before_and_after_the_compatibility_form() -> None:
    assert Normalization(unicode="NFKC", numbers="spell", language="es").apply("el 1º piso") == "el primero piso"
    assert Normalization(unicode="NFKC", numbers="spell").apply("m²") == "m two"


@given(TEXTS, st.sampled_from(["NFC", "none"]), st.sampled_from(["remove", "keep"]))
def test_normalising_twice_changes_nothing(text: str, form: str, punctuation: str) -> None:
    normalization = Normalization(unicode=form, punctuation=punctuation)  # type: ignore[arg-type]
    once = normalization.apply(text)
    assert normalization.apply(once) == once


@given(TEXTS)
def test_nothing_but_space_and_punctuation_disappears(text: str) -> None:
    """With the case kept, every letter, mark, digit and symbol is still there, in order."""
    kept = Normalization(case="keep", unicode="none").apply(text)

    def stays(character: str) -> bool:
        return unicodedata.category(character)[0] != "P" and not character.isspace() and character != "ʼ"

    assert [each for each in kept if stays(each)] == [each for each in text if stays(each)]


@given(TEXTS)
def test_words_lie_between_single_spaces(text: str) -> None:
    normalized = Normalization().apply(text)
    assert normalized == " ".join(normalized.split())


def test_a_language_that_num2words_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="'xx'"):
        config.build(Normalization, {"numbers": "spell", "language": "xx"}, "conf/x.yaml: text")
    with pytest.raises(ConfigError, match="'xx'"):
        spell_numbers("1", "xx")
    assert spell_numbers("no digits", "xx") == "no digits"


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"conf/x.yaml: text.case: 'title'"):
        config.build(Normalization, {"case": "title"}, "conf/x.yaml: text")
