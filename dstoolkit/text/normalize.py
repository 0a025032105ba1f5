"""Text normalisation: what is done to a transcript before it is tokenised or scored, each step stated by an option.

The steps, in this order: numbers are spelled, Unicode is normalised, punctuation is removed, case is folded, white
space is collapsed to single spaces. Nothing else changes, and no other character disappears: what a tokenizer has no
token for is its business to refuse (``Normalization.unknown``), not ours to drop here.

Punctuation is Unicode's category P without the signs that are spoken (``# % & @ * § ‰``): each is replaced by a space,
so that ``well-known`` becomes two words. An apostrophe between two letters or digits stays (``don't``, ``l'eau``) and
is written ``'`` whatever its form was; so do the middle dot and the Hebrew geresh and gershayim there. Symbols
(category S: ``$``, ``+``, ``°``) stay, because they are spoken.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from dstoolkit.text import numbers as spelling

APOSTROPHES = "'\u2019\u02bc\uff07"  # ', right single quotation mark, modifier letter apostrophe, full-width '
INSIDE_WORDS = "\u00b7\u05f3\u05f4"  # middle dot (Catalan), geresh and gershayim (Hebrew): kept as they are
SPOKEN = "#%&@*§‰"  # of category P, yet read aloud: removing them would lose a word

_CANDIDATE = re.compile(r"[^\w\s]|_|\u02bc")


@dataclass(frozen=True)
class Normalization:
    """How transcripts are normalised; the section ``text`` of a configuration.

    ``case``: ``lower``, ``upper`` or ``keep``. ``punctuation``: ``remove`` or ``keep``. ``unicode``: the normal form,
    or ``none``. ``numbers``: ``spell`` them out in ``language`` (an ISO 639-1 code that num2words knows) or ``keep``
    digits as they are. ``unknown``: whether a character without a token is refused or dropped, by who encodes.
    """

    case: Literal["lower", "upper", "keep"] = "lower"
    punctuation: Literal["remove", "keep"] = "remove"
    unicode: Literal["NFC", "NFKC", "none"] = "NFC"
    numbers: Literal["spell", "keep"] = "keep"
    language: str = "en"
    unknown: Literal["refuse", "drop"] = "refuse"

    def __post_init__(self) -> None:
        if self.numbers == "spell" and not spelling.speaks(self.language):
            raise ValueError(f"numbers cannot be spelled in language {self.language!r}; expected {spelling.LANGUAGES}")

    def __str__(self) -> str:
        """``case lower, punctuation remove, unicode NFC, numbers spell (en)``: what ``apply`` does."""
        numbers = f"spell ({self.language})" if self.numbers == "spell" else "keep"
        return f"case {self.case}, punctuation {self.punctuation}, unicode {self.unicode}, numbers {numbers}"

    def apply(self, text: str) -> str:
        """The normalised text: words between single spaces. ``apply(apply(text)) == apply(text)``."""
        if self.numbers == "spell":
            text = spelling.spell_numbers(text, self.language)  # before NFKC, which turns '1º' into '1o'
        text = self._normal_form(text)
        if self.numbers == "spell":
            text = spelling.spell_numbers(text, self.language)  # the digits NFKC made: '²' into '2'
        if self.punctuation == "remove":
            text = remove_punctuation(text)
        if self.case != "keep":
            # A capital may have no single small letter: the composed form again
            text = self._normal_form(text.lower() if self.case == "lower" else text.upper())
        return " ".join(text.split())

    def _normal_form(self, text: str) -> str:
        return text if self.unicode == "none" else unicodedata.normalize(self.unicode, text)


def spell_numbers(text: str, language: str) -> str:
    """See ``dstoolkit.text.numbers.spell_numbers``."""
    return spelling.spell_numbers(text, language)


def remove_punctuation(text: str) -> str:
    """Punctuation as spaces, apostrophes within words as ``'``; see the module's docstring for what that means."""
    return _CANDIDATE.sub(_replacement, text)


def _replacement(match: re.Match[str]) -> str:
    character, text = match[0], match.string
    if character in APOSTROPHES or character in INSIDE_WORDS:
        before, after = text[max(match.start() - 1, 0) : match.start()], text[match.end() : match.end() + 1]
        within = _in_word(before) and _in_word(after)
        return (character if character in INSIDE_WORDS else "'") if within else " "
    if character in SPOKEN or not unicodedata.category(character).startswith("P"):
        return character
    return " "


def _in_word(character: str) -> bool:
    """Whether it is a letter, a mark on one, or a digit; not so for no character."""
    return bool(character) and unicodedata.category(character)[0] in "LMN"
