"""What a plugin's ``Config`` says of each option: its type, its default, and a line about it.

The line is looked for where people write it: in the dataclass's docstring, as an item of its own (``size: units``) or
within a text (the same, the name in double backquotes); else in the comment that ends the field's line. A base class's
stands where the class itself has none. Where there is no source to read, nothing is said.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import json
import re
import textwrap
import tokenize
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dstoolkit import config
from dstoolkit.errors import ConfigError

CONSTANTS = {"Infinity": ".inf", "-Infinity": "-.inf", "NaN": ".nan"}  # Python's JSON -> YAML


@dataclass(frozen=True)
class Option:
    """``default`` holds what JSON can; ``type`` is as a user would call it; ``help`` is empty where nothing is said."""

    name: str
    type: str
    default: Any
    help: str


def options(cls: type) -> list[Option]:
    """The options of a ``Config`` in its order."""
    hints, helps = typing.get_type_hints(cls), helps_of(cls)
    return [
        Option(each.name, config.describe(hints[each.name]), default(each), helps.get(each.name, ""))
        for each in dataclasses.fields(cls)
    ]


def default(field: dataclasses.Field[Any]) -> Any:
    """The default as JSON can hold it; a number that JSON lacks as YAML's word for it."""
    value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    return json.loads(json.dumps(config.plain(value)), parse_constant=CONSTANTS.__getitem__)


def written(value: Any) -> str:
    """A value as ``--set`` and a configuration read it: ``256``, ``same``, ``[1, 2]``, ``{name: noise}``."""
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)}: {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, str) and (value in CONSTANTS.values() or is_word(value)):
        return value
    return json.dumps(value, ensure_ascii=False)


def is_word(text: str) -> bool:
    """Whether YAML reads ``text`` as itself, without quotes, in a list too."""
    try:
        return bool(config.parse_value(f"[{text}]") == [text])
    except ConfigError:
        return False


def helps_of(cls: type) -> dict[str, str]:
    """Option -> what is said about it, of those that something is said about."""
    names = [each.name for each in dataclasses.fields(cls)]
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__[:-1]):  # the class itself last: its word counts
        found |= {**comments(each), **described(each.__doc__ or "", names)}
    return found


def described(docstring: str, names: Iterable[str]) -> dict[str, str]:
    """What a docstring says of these options: up to the next one, or an empty line."""
    name = f"({'|'.join(map(re.escape, names))})"
    for head in (rf"^[ \t]*{name}:\s", rf"``{name}``:\s"):
        _, *parts = re.split(head, inspect.cleandoc(docstring), flags=re.MULTILINE)
        if parts:
            texts = (" ".join(re.split(r"\n\s*\n", text)[0].split()) for text in parts[1::2])
            return {option: text for option, text in zip(parts[::2], texts, strict=True) if text}
    return {}


def comments(cls: type) -> dict[str, str]:
    """Field -> the comment at the end of its line."""
    try:
        source = textwrap.dedent(inspect.getsource(cls))
        (node,) = ast.parse(source).body
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (OSError, TypeError, SyntaxError, ValueError, tokenize.TokenError):  # made at run time, or no source
        return {}
    said = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    fields = [each for each in getattr(node, "body", []) if isinstance(each, ast.AnnAssign)]
    return {
        each.target.id: said[each.end_lineno]
        for each in fields
        if isinstance(each.target, ast.Name) and each.end_lineno in said
    }
