"""``{{ ... }}`` in a Kurfile's values.

Text that is one expression gives its value as it is: ``"{{ rnn.size }}"`` is a number. Text with expressions in it is
rendered, and read as ``scalars.literal`` says: ``"{{ a }}{{ b }}"`` of two digits is a number again, as in Kur.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import meta
from jinja2.exceptions import TemplateError, TemplateSyntaxError
from jinja2.runtime import Undefined

from dstoolkit import config
from dstoolkit.errors import ConfigError
from dstoolkit_kur import scalars
from dstoolkit_kur.node import Node, lift
from dstoolkit_kur.sandbox import MOST_CHARACTERS, MOST_VALUES, Sandbox

UNKNOWN = re.compile(r"No (?P<kind>filter|test) named '(?P<name>\w+)'")  # in Jinja2's words
MARKS = ("{{", "{%", "{#")
DEEPEST = 50  # values within values of a result


class Expressions:
    """Evaluates nodes. One for a Kurfile."""

    def __init__(self) -> None:
        self.sandbox = Sandbox()

    def evaluate(self, node: Node, scope: Mapping[str, Any]) -> Node:
        """The node with all its expressions replaced by their values. Raises ConfigError with file and line."""
        content = node.content
        if isinstance(content, dict):
            return Node({key: self.evaluate(each, scope) for key, each in content.items()}, node.mark, node.path)
        if isinstance(content, list):
            return Node([self.evaluate(each, scope) for each in content], node.mark, node.path)
        if not is_expression(content):
            return node
        return lift(self.value(node, scope), node.mark, node.path)

    def value(self, node: Node, scope: Mapping[str, Any]) -> Any:
        """What the expressions in the text of ``node`` give: plain values."""
        text = str(node.content)
        try:
            return plain(self._value(text, scope))
        except ConfigError:
            raise  # of a setting that the expression refers to
        except TemplateError as error:
            raise self._fault(node, text.strip(), error) from error
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
            raise node.fault(f"'{text.strip()}' fails: {error}") from error

    def _fault(self, node: Node, text: str, error: TemplateError) -> ConfigError:
        """What Jinja2 says, with the nearest filter or test where that is what is wrong."""
        said = (error.message or "").rstrip(".")
        if unknown := UNKNOWN.match(said):
            known = {"filter": self.sandbox.filters, "test": self.sandbox.tests}[unknown["kind"]]
            words = [each for each in known if each.isidentifier()]  # tests have signs, such as '=='
            told = f"in '{text}': no {unknown['kind']} '{unknown['name']}'"
            return node.fault(told, config.nearest(unknown["name"], words))
        if isinstance(error, TemplateSyntaxError):
            return node.fault(f"'{text}' is no expression", f"{said[:1].lower()}{said[1:]}")
        return node.fault(f"in '{text}': {error.message}")

    def _value(self, text: str, scope: Mapping[str, Any]) -> Any:
        tree = self.sandbox.parse(text)
        self.sandbox.check(tree)
        names = sorted(meta.find_undeclared_variables(tree))
        used = {name: scope[name] for name in names if name in scope}  # only these: the rest may not have a value yet
        self.sandbox.begin(scope)
        inner = self._alone(text)
        if inner is not None:
            return self.sandbox.compile_expression(inner, undefined_to_none=False)(used)
        return scalars.literal(self.sandbox.from_string(text).render(used))

    def _alone(self, text: str) -> str | None:
        """What stands between the braces where the text is one expression."""
        tokens = list(self.sandbox.lex(text.strip()))
        kinds = [kind for _, kind, _ in tokens]
        if kinds.count("variable_begin") != 1 or kinds[0] != "variable_begin" or kinds[-1] != "variable_end":
            return None
        return "".join(value for _, _, value in tokens[1:-1])


def is_expression(content: Any) -> bool:
    return isinstance(content, str) and any(mark in content for mark in MARKS)


def plain(value: Any) -> Any:
    """Plain Python of what an expression gave. Raises ValueError for too much of it, and what no Kurfile can hold."""
    budget = iter(range(MOST_VALUES))
    return _plain(value, budget, 0)


def _plain(value: Any, budget: Iterator[int], depth: int) -> Any:
    if next(budget, None) is None or depth > DEEPEST:
        raise ValueError(f"a result of more than {MOST_VALUES} values, or more than {DEEPEST} deep")
    if isinstance(value, Undefined):
        str(value)  # raises, with the name
    if isinstance(value, str):
        if len(value) > MOST_CHARACTERS:
            raise ValueError(f"a result of more than {MOST_CHARACTERS} characters")
        return str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(each, budget, depth + 1) for key, each in value.items()}
    if callable(value) or not hasattr(value, "__iter__"):
        raise ValueError("its result is a function or the like; expected a number, text, a list or a mapping")
    return [_plain(each, budget, depth + 1) for each in value]
