"""Numbers in text, spelled out with num2words: ``162`` is ``one hundred and sixty two``.

Known forms: whole numbers with the language's thousands separator, decimals with its decimal sign, a minus sign that
begins a word, and ordinals in English, Spanish, French, Italian and Russian (``1st``, ``1º``, ``1er``, ``1-й``).
Numbers that begin with 0, or have more than 15 digits, are read digit by digit (``007``). Years, times, dates and
telephone numbers are read as the numbers they are written with: ``10:30`` is ``ten:thirty``. Hyphens and commas
within the spelled words become spaces. A number that touches a letter is set apart from it: ``mp3``, ``mp three``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from dstoolkit.errors import ConfigError

LANGUAGES = "a language code of num2words, such as en, es, fr, it, ru"
MOST_DIGITS = 15  # longer ones are codes, not quantities
GROUPING_SPACES = "\u00a0\u2009\u202f"  # no-break, thin and narrow no-break space; a plain one may part two numbers
DECIMAL_POINT = {"am", "bn", "en", "fa", "he", "ja", "kn", "ko", "te", "th"}  # the other languages write a comma


def speaks(language: str) -> bool:
    """Whether num2words knows the language, or the one that a regional code (``es_MX``) begins with."""
    from num2words import CONVERTER_CLASSES

    return language in CONVERTER_CLASSES or language[:2] in CONVERTER_CLASSES


def spell_numbers(text: str, language: str) -> str:
    """``text`` with its digits as words of ``language`` ('1' -> 'one'). Raises ConfigError for an unknown language."""
    if not any(character.isdecimal() for character in text):
        return text
    if not speaks(language):
        raise ConfigError("numbers", f"language {language!r}", f"expected {LANGUAGES}")
    return _pattern(language).sub(lambda match: _spell(match, language), text)


@functools.cache
def _pattern(language: str) -> re.Pattern[str]:
    """A number with its sign, separators and ordinal suffix; or a chain such as 25.12.2026."""
    decimal, grouping = (r"\.", ",") if language[:2] in DECIMAL_POINT else (",", r"\.")
    grouped = rf"[^\W\D0]\d{{0,2}}(?:[{grouping}{GROUPING_SPACES}]\d{{3}})+(?!{grouping}?\d)"
    suffixes = "|".join(sorted(map(re.escape, ORDINALS.get(language[:2], {})), key=len, reverse=True)) or "(?!)"
    return re.compile(
        rf"(?P<minus>(?<!\S)[-\u2212](?=\d))?"
        rf"(?:(?P<chain>(?!{grouped})\d+(?:[.,]\d+){{2,}})|(?P<whole>{grouped}|\d+)"
        rf"(?:(?P<suffix>{suffixes})(?!\w)|{decimal}(?P<fraction>\d+))?)",
        re.IGNORECASE,
    )


def _spell(match: re.Match[str], language: str) -> str:
    if match["chain"]:  # a date, a version: each number by itself
        words = re.sub(r"\d+", lambda number: _whole(number[0], language), match["chain"])
    else:
        words = _number(match, language)
    return _set_apart(match, words)


def _number(match: re.Match[str], language: str) -> str:
    whole = "".join(character for character in match["whole"] if character.isdecimal())
    if match["suffix"] and int(whole) > 0:
        return _plain(ORDINALS[language[:2]][match["suffix"].lower()](int(whole)))
    words = _decimal(whole, match["fraction"], language) if match["fraction"] else _whole(whole, language)
    return f"{_words(-1, language).split()[0]} {words}" if match["minus"] else words


def _whole(digits: str, language: str) -> str:
    """A whole number as a quantity, or digit by digit where it is a code."""
    if len(digits) > MOST_DIGITS or (len(digits) > 1 and int(digits[0]) == 0):
        return " ".join(_words(int(digit), language) for digit in digits)
    return _words(int(digits), language)


def _decimal(whole: str, fraction: str, language: str) -> str:
    """``three point one four``: the whole, the decimal sign's name, the digits; in Russian, fractions of ten."""
    quantity = _whole(whole, language)
    zero, *point, last = _words(0.5, language).split()
    if (zero, last) != (_words(0, language), _words(5, language)):
        return _words(Decimal(f"{int(whole)}.{int(fraction):0{len(fraction)}}"), language)
    return " ".join([quantity, *point, *(_words(int(digit), language) for digit in fraction)])


def _words(number: float | Decimal, language: str, **options: Any) -> str:
    from num2words import num2words

    return _plain(num2words(number, lang=language, **options))


def _plain(words: str) -> str:
    """num2words' ``one thousand, nine hundred and ninety-nine`` as words between spaces."""
    return " ".join(re.sub(r"[-,\u2010\u00ad]", " ", words).split())


def _set_apart(match: re.Match[str], words: str) -> str:
    text, start, end = match.string, match.start(), match.end()
    before, after = text[max(start - 1, 0) : start], text[end : end + 1]
    return f"{' ' if before.isalpha() else ''}{words}{' ' if after.isalpha() else ''}"


def _ordinal(number: int, language: str, **options: Any) -> str:
    return _words(number, language, to="ordinal", **options)


def _feminine(number: int, language: str) -> str:
    """Spanish and Italian: ``primero``, ``primera``."""
    return re.sub(r"o\b", "a", _ordinal(number, language))


def _apocope(number: int) -> str:
    """``primer`` and ``tercer``, as before a Spanish masculine noun."""
    return re.sub(r"(primer|tercer)o\b", r"\1", _ordinal(number, "es"))


def _french(number: int) -> str:
    return _ordinal(number, "fr")


def _spell_with(function: Callable[..., str], suffixes: str, **options: Any) -> dict[str, Callable[[int], str]]:
    return {suffix: functools.partial(function, **options) for suffix in suffixes.split()}


# language -> suffix -> the number's ordinal in the form that the suffix means
ORDINALS: dict[str, dict[str, Callable[[int], str]]] = {
    "en": _spell_with(_ordinal, "st nd rd th", language="en"),
    "es": {
        **_spell_with(_ordinal, "º .º o ro do to mo vo no", language="es"),
        **_spell_with(_feminine, "ª .ª a ra da ta ma va na", language="es"),
        **_spell_with(_apocope, "er .er"),
    },
    "fr": {
        **_spell_with(_french, "er e ème eme ième"),
        **_spell_with(lambda number: "première" if number == 1 else _french(number), "re ère"),
        **_spell_with(lambda number: "second" if number == 2 else _french(number), "nd"),
        **_spell_with(lambda number: "seconde" if number == 2 else _french(number), "nde"),
    },
    "it": {
        **_spell_with(_ordinal, "º o", language="it"),
        **_spell_with(_feminine, "ª a", language="it"),
    },
    "ru": {
        **_spell_with(_ordinal, "-й -ый -ий -ой", language="ru"),
        **_spell_with(_ordinal, "-я -ая -ья", language="ru", gender="f"),
        **_spell_with(_ordinal, "-е -ое -ье", language="ru", gender="n"),
        **_spell_with(_ordinal, "-го -ого -его", language="ru", case="g"),
        **_spell_with(_ordinal, "-му -ому -ему", language="ru", case="d"),
    },
}
