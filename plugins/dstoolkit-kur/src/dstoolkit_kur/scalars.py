"""What a plain word of a Kurfile is: YAML 1.1 as Kur read it.

``yes``, ``no``, ``on``, ``off`` are booleans, ``~`` and ``null`` nothing; numbers are decimal, ``0x``, ``0b``, octal
(``010``) or sexagesimal (``1:30`` is 90), with ``_`` between digits. ``2e-4`` is a number: YAML 1.1 wants a point in
it, but Kur evaluated the word again and so had the number. Dates are words. Quoted words are never anything else.
"""

from __future__ import annotations

import ast
import re
from typing import Any

BOOLEANS = {
    **dict.fromkeys(("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
NOTHING = frozenset(("", "~", "null", "Null", "NULL"))
DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
BASED = re.compile(r"([-+]?)0(b[01_]+|x[0-9a-fA-F_]+|[0-7_]+)")
SEXAGESIMAL = re.compile(r"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*")
FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+")
ENDLESS = re.compile(r"([-+]?)\.(inf|Inf|INF)")
NAN = re.compile(r"\.(nan|NaN|NAN)")
MOST_DIGITS = 1000  # of a whole number: Python's own bound on reading one is 4300

WRITTEN = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}
NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)")


def resolve(text: str) -> Any:
    """The value of a plain (unquoted) scalar. Raises ValueError for a number of more than ``MOST_DIGITS`` digits."""
    if text in NOTHING:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    return _number(text)


def _number(text: str) -> Any:
    digits = text.replace("_", "")
    if len(text) > MOST_DIGITS and (DECIMAL.fullmatch(text) or BASED.fullmatch(text) or SEXAGESIMAL.fullmatch(text)):
        raise ValueError(f"a number of more than {MOST_DIGITS} digits")
    if DECIMAL.fullmatch(text):
        return int(digits)
    if based := BASED.fullmatch(text):
        return _based(based[1], based[2].replace("_", ""), text)
    if FLOAT.fullmatch(text):
        return float(digits)
    if SEXAGESIMAL.fullmatch(text):
        return _sexagesimal(digits)
    if endless := ENDLESS.fullmatch(text):
        return float(endless[1] + "inf")
    return float("nan") if NAN.fullmatch(text) else text


def _based(sign: str, digits: str, text: str) -> Any:
    base = {"b": 2, "x": 16}.get(digits[:1], 8)
    number = digits if base == 8 else digits[1:]
    return int(sign + number, base) if number else text


def _sexagesimal(digits: str) -> int | float:
    total: int | float = 0
    for part in digits.lstrip("+-").split(":"):
        total = total * 60 + (float(part) if "." in part else int(part))
    return -total if digits.startswith("-") else total


def literal(text: str) -> Any:
    """What text that an expression wrote stands for: a number, true, false, nothing, or a list or mapping of such.

    ``[{{ a }}, {{ b }}]`` is a list; all else stays text, quotes too.
    """
    word = text.strip()
    if word in WRITTEN:
        return WRITTEN[word]
    if len(word) <= MOST_DIGITS and NUMBER.fullmatch(word):
        return int(word)
    if FLOAT.fullmatch(word) and "_" not in word:
        return float(word)
    if word[:1] + word[-1:] in ("[]", "{}"):
        try:
            return _checked(ast.literal_eval(word))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return text
    return text


def _checked(value: Any) -> Any:
    """``value`` if a Kurfile can hold it. Raises ValueError for sets, bytes and complex numbers."""
    if isinstance(value, dict):
        return {str(key): _checked(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_checked(each) for each in value]
    if not isinstance(value, (str, int, float, bool, type(None))):
        raise ValueError(value)
    return value
