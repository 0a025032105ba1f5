"""Spelled numbers: what people say, in five languages and the forms in which numbers are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from dstoolkit.text.numbers import spell_numbers


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "1", "one"),
        ("en", "162", "one hundred and sixty two"),
        ("en", "press 1 for 21", "press one for twenty one"),
        ("en", "1st 2nd 3rd 21st 112TH", "first second third twenty first one hundred and twelfth"),
        ("en", "1,234,567", "one million two hundred and thirty four thousand five hundred and sixty seven"),
        ("en", "3.14", "three point one four"),
        ("en", "3.10", "three point one zero"),
        ("en", "1,000.5", "one thousand point five"),
        ("en", "1,2,3", "one,two,three"),
        ("en", "1,2", "one,two"),
        ("en", "007", "zero zero seven"),
        ("en", "-5 and 4-3", "minus five and four-three"),
        ("en", "-0.5", "minus zero point five"),
        ("en", "10:30", "ten:thirty"),
        ("en", "25.12.2026", "twenty five.twelve.two thousand and twenty six"),
        ("en", "mp3 4x4", "mp three four x four"),
        ("en", "１２", "twelve"),
        ("en", "1234567890123456", "one two three four five six seven eight nine zero one two three four five six"),
        ("en", "5%", "five%"),
        ("es", "1 21 100", "uno veintiuno cien"),
        ("es", "1º 1ª 3.º 2.ª", "primero primera tercero segunda"),
        ("es", "el 1er y 3er", "el primer y tercer"),
        ("es", "21ª", "vigésima primera"),
        ("es", "1.234,5", "mil doscientos treinta y cuatro punto cinco"),
        ("fr", "80 91", "quatre vingts quatre vingt onze"),
        ("fr", "1er 1re 2e 2nd 2nde 21ème", "premier première deuxième second seconde vingt et unième"),
        ("fr", "10\u202f000", "dix mille"),
        ("fr", "3,14", "trois virgule un quatre"),
        ("it", "1.000.000", "un milione"),
        ("it", "1º 2ª", "primo seconda"),
        ("it", "3,14", "tre virgola uno quattro"),  # num2words itself loses the fraction of a Decimal
        ("ru", "162", "сто шестьдесят два"),
        ("ru", "1-й 21-я 3-го", "первый двадцать первая третьего"),
        ("ru", "3,14", "три целых четырнадцать сотых"),
        ("he", "3", "שלוש"),
        ("es_MX", "2", "dos"),
    ],
)
def test_numbers_as_they_are_spoken(language: str, text: str, expected: str) -> None:
    assert spell_numbers(text, language) == expected


@pytest.mark.parametrize("language", ["en", "es", "fr", "it", "ru"])
@given(number=st.integers(0, 10**15 - 1))
def test_whole_numbers_agree_with_num2words(language: str, number: int) -> None:
    assert spell_numbers(str(number), language).split() == (
        num2words(number, lang=language).replace("-", " ").replace(",", " ").split()
    )


@pytest.mark.parametrize("language", ["en", "es", "fr", "it", "ru", "de", "he"])
@given(text=st.text("0123456789.,-+ :/ºªa\u00a0", max_size=20))
def test_no_digit_is_left(language: str, text: str) -> None:
    assert not any(character.isdecimal() for character in spell_numbers(text, language))
