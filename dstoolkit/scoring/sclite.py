"""What NIST's sclite does with words, ids and speakers, so that its figures and ours can be laid side by side.

Found by experiment with version 2.10 (SCTK 1.3) on ``trn`` files with ids of the type ``rm`` (``sclite -i rm``);
``docs/scoring.md`` tells how, and the tests ask sclite again.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

from dstoolkit.errors import DataError, DstoolkitError

LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
# Alternatives '{ a / b }', the empty word '@', what follows a ';', a '*' at the end, a '\': not words as they stand
MARKUP = re.compile(r"\S*[{};*\\]\S*|(?<!\S)@(?!\S)")
ADVICE = "remove it or score with --alignment levenshtein"


def fold(text: str) -> str:
    """Only the letters a to z have no case for sclite."""
    return text.translate(LOWER)


def shout(text: str) -> str:
    """As sclite shows a wrong word."""
    return text.translate(UPPER)


def markup(texts: Mapping[str, str], where: object) -> list[DstoolkitError]:
    """The utterances that hold what sclite would not read as a word."""
    found = ((key, MARKUP.search(text)) for key, text in texts.items())
    return [
        DataError(where, f"utterance '{key}' has '{word[0]}'", "for sclite that is no plain word", ADVICE)
        for key, word in found
        if word
    ]


def speaker(utterance: str) -> str | None:
    """The speaker that an id of the type ``rm`` names: what stands before its first ``-``, or without one its first
    ``_``; None where it has neither."""
    before, dash, _ = utterance.partition("-")
    if not dash:
        before, dash, _ = utterance.partition("_")
    return before if dash else None


def trn_id(utterance: str, who: str | None) -> str:
    """The id for a ``trn`` file, from which sclite takes the same speaker: with the speaker in front where it begins
    with another. A ``-`` in a speaker's name becomes ``_``; parentheses, which end an id, become brackets."""
    named = speaker(utterance)
    if who is not None and (named is None or fold(named) != fold(who)):
        utterance = f"{who.replace('-', '_')}-{utterance}"
    return utterance.translate(str.maketrans("()", "[]"))
