"""The model's operators: a list with ``for``, ``for_each``, templates, ``debug``, ``assert`` and ``when`` becomes one
without, which the encoder ``layers`` reads.

Each round evaluates its entries anew, so that expressions see the loop's variable, and the names that tags have by then
(``tags.x``, ``oldest.x``), and those of all layers so far (``layers``). A layer that is so referred to and has no name
gets one.
"""

from __future__ import annotations

import logging
from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any

from dstoolkit import config
from dstoolkit.errors import ConfigError
from dstoolkit.models.layers.description import BESIDE, MOST, WORDS
from dstoolkit_kur.expressions import Expressions
from dstoolkit_kur.node import Node

log = logging.getLogger("dstoolkit.kur")

OPERATORS = ("for", "for_each", "debug", "assert")
NAMED_BY_OPTION = ("input", "output")
DEEPEST = 50  # operators within operators


def unroll(model: Node, templates: Node | None, expressions: Expressions, scope: Mapping[str, Any]) -> Node:
    """The list of layers, each ``{word: options}`` and what stands beside it. Raises ConfigError with file and line."""
    unroller = Unroller(expressions, checked(templates))
    return Node(list(unroller.entries(model, ChainMap(State(unroller), scope), 0)), model.mark, model.path)  # type: ignore[arg-type]


def checked(templates: Node | None) -> dict[str, Node]:
    """The templates by name. Raises ConfigError for a name that means something else."""
    if templates is None or templates.content is None:
        return {}
    if not isinstance(templates.content, dict):
        raise templates.fault(repr(templates.value), "expected templates by name, each a list of layers")
    for name, each in templates.items():
        if name in (*WORDS, *OPERATORS, *BESIDE):
            raise each.fault(f"a template called '{name}', which has a meaning already", "expected another name")
        check_words(each, [*WORDS, *OPERATORS, *templates, *BESIDE])
    return dict(templates.items())


def check_words(body: Node, known: list[str]) -> None:
    """Raises ConfigError for entries of a template, used or not, whose words are none."""
    for entry in body if isinstance(body.content, list) else [body]:
        for word, options in entry.items():
            if word not in known:
                raise entry.fault("no such layer", config.nearest(word, known), at=(word,))
            for inner in ("iterate", "apply"):
                if inner in options:
                    check_words(options.get(inner), known)


class State(Mapping[str, Any]):
    """The variables that grow with the model."""

    KEYS = ("tags", "oldest", "layers")

    def __init__(self, unroller: Unroller) -> None:
        self.unroller = unroller

    def __iter__(self) -> Iterator[str]:
        return iter(self.KEYS)

    def __len__(self) -> int:
        return len(self.KEYS)

    def __getitem__(self, key: str) -> Any:
        if key == "layers":
            return [self.unroller.name(each) for each in self.unroller.done]
        if key not in self.KEYS:
            raise KeyError(key)
        return Names(self.unroller, self.unroller.tags if key == "tags" else self.unroller.oldest)


class Names(Mapping[str, str]):
    """The names of the layers that have tags. A layer is named when it is asked for."""

    def __init__(self, unroller: Unroller, tagged: Mapping[str, Node]) -> None:
        self.unroller, self.tagged = unroller, tagged

    def __iter__(self) -> Iterator[str]:
        return iter(self.tagged)

    def __len__(self) -> int:
        return len(self.tagged)

    def __getitem__(self, tag: str) -> str:
        return self.unroller.name(self.tagged[tag])


class Unroller:
    """``done`` are the layers so far, without those within ``parallel``."""

    def __init__(self, expressions: Expressions, templates: Mapping[str, Node]) -> None:
        self.expressions, self.templates = expressions, templates
        self.done: list[Node] = []
        self.tags: dict[str, Node] = {}
        self.oldest: dict[str, Node] = {}
        self.named: dict[str, int] = {}
        self.count = 0
        self.inside = 0  # layers with layers within, around the one at hand

    def name(self, layer: Node) -> str:
        """The layer's name; a new one where it has none."""
        assert isinstance(layer.content, dict)
        if "name" in layer:
            return str(layer.get("name").content)
        word = word_of(layer)
        options = layer.get(word)
        given = options.get("name", default=options).content if word in NAMED_BY_OPTION else None
        if isinstance(given, str):
            return given
        self.named[word] = self.named.get(word, 0) + 1
        name: str = f"..{word}.{self.named[word]}"
        layer.content["name"] = Node(name, layer.mark, (*layer.path, "name"))
        return name

    def entries(self, node: Node, scope: Mapping[str, Any], depth: int) -> Iterator[Node]:
        """The layers that a list of entries stands for."""
        if isinstance(node.content, str):
            node = self.expressions.evaluate(node, scope)
        if not isinstance(node.content, list):
            raise node.fault(repr(node.value), "expected a list of layers")
        if depth > DEEPEST:
            raise node.fault(f"operators more than {DEEPEST} deep", "expected templates that end")
        for each in node:
            self.count_one(each)
            yield from self.entry(each, scope, depth)

    def count_one(self, node: Node) -> None:
        self.count += 1
        if self.count > MOST:
            raise node.fault(f"more than {MOST} layers and rounds of loops")

    def entry(self, node: Node, scope: Mapping[str, Any], depth: int) -> Iterator[Node]:
        if isinstance(node.content, str):
            node = self.expressions.evaluate(node, scope)
        if isinstance(node.content, str):
            node = Node({node.content: Node(None, node.mark, (*node.path, node.content))}, node.mark, node.path)
        word = self.word(node)
        if "when" in node and not self.expressions.evaluate(node.get("when"), scope).value:
            return
        if word not in WORDS:
            yield from self.operator(word, node, scope, depth)
            return
        layer = self.layer(word, node, scope, depth)
        if not self.inside:
            self.done.append(layer)
        self.tag(layer)
        yield layer

    def word(self, node: Node) -> str:
        """The one key that says what the entry is."""
        known = [*WORDS, *OPERATORS, *self.templates]
        if not isinstance(node.content, dict):
            raise node.fault(repr(node.value), "expected a layer, such as 'dense: 29'")
        words = [key for key in node if key not in BESIDE]
        for key in words:
            if key not in known:
                raise node.fault("no such layer", config.nearest(key, [*known, *BESIDE]), at=(key,))
        if len(words) != 1:
            found = " and ".join(f"'{each}'" for each in words) or "no layer"
            raise node.fault(found, "expected one, such as 'dense: 29'")
        return str(words[0])

    def layer(self, word: str, node: Node, scope: Mapping[str, Any], depth: int) -> Node:
        """The entry evaluated, without ``when``."""
        held = WORDS[word].holds
        content = {}
        for key, each in node.items():
            if key == word and held:
                self.inside += 1
                content[key] = self.holder(each, held, scope, depth)
                self.inside -= 1
            elif key != "when":
                content[key] = self.expressions.evaluate(each, scope)
        return Node(content, node.mark, node.path)

    def holder(self, options: Node, held: str, scope: Mapping[str, Any], depth: int) -> Node:
        """The options of a layer with layers within: ``parallel``."""
        if isinstance(options.content, list):
            return Node(list(self.entries(options, scope, depth + 1)), options.mark, options.path)
        if held not in options:
            return self.expressions.evaluate(options, scope)
        content = {
            key: Node(list(self.entries(each, scope, depth + 1)), each.mark, each.path)
            if key == held
            else self.expressions.evaluate(each, scope)
            for key, each in options.items()
        }
        return Node(content, options.mark, options.path)

    def tag(self, layer: Node) -> None:
        for key in ("tag", "oldest"):
            node = layer.get(key)
            for each in [] if node is None else (node.value if isinstance(node.content, list) else [node.value]):
                if key == "tag":
                    self.tags[str(each)] = layer
                else:
                    self.oldest.setdefault(str(each), layer)

    def operator(self, word: str, node: Node, scope: Mapping[str, Any], depth: int) -> Iterator[Node]:
        allowed = (word, "when", "inputs") if word in self.templates else (word, "when")
        for key in node:
            if key not in allowed:
                raise node.fault(f"beside '{word}', which is no layer", "expected it beside a layer", at=(key,))
        options = node.get(word)
        if word in self.templates:
            yield from self.template(word, node, scope, depth)
        elif word == "for":
            yield from self.counted(options, scope, depth)
        elif word == "for_each":
            yield from self.each(options, scope, depth)
        elif word == "assert":
            found = self.expressions.evaluate(options, scope).value
            if not found:
                raise options.fault(f"'{options.value}' is {found!r}", "expected it to be true")
        else:
            log.debug("%s: %s", options.where(), self.expressions.evaluate(options, scope).value)

    def counted(self, options: Node, scope: Mapping[str, Any], depth: int) -> Iterator[Node]:
        """``for: {range: 3, with_index: i, iterate: [...]}``."""
        self.check(options, ("range", "iterate"), ("with_index",))
        times = self.expressions.evaluate(options.get("range"), scope)
        count = times.value  # '{{ depth / 2 }}' is 3.0
        if isinstance(count, bool) or not isinstance(count, (int, float)) or count not in range(MOST + 1):
            raise times.fault(repr(count), f"expected how often, 0 to {MOST}")
        yield from self.rounds(options, "with_index", "index", list(range(int(count))), scope, depth)

    def each(self, options: Node, scope: Mapping[str, Any], depth: int) -> Iterator[Node]:
        """``for_each: {items: [1, 2], loop_var: size, iterate: [...]}``; a number stands for 0 to one less."""
        self.check(options, ("items", "iterate"), ("loop_var",))
        items = self.expressions.evaluate(options.get("items"), scope)
        values = items.value
        if isinstance(values, int) and not isinstance(values, bool) and 0 <= values <= MOST:
            values = list(range(values))
        if not isinstance(values, list):
            raise items.fault(repr(values), f"expected a list, or a number, 0 to {MOST}")
        yield from self.rounds(options, "loop_var", "item", values, scope, depth)

    def check(self, options: Node, required: tuple[str, ...], others: tuple[str, ...]) -> None:
        if not isinstance(options.content, dict):
            raise options.fault(repr(options.value), f"expected {' and '.join(required)}")
        for key in options:
            if key not in (*required, *others):
                raise options.fault("no such option", config.nearest(key, (*required, *others)), at=(key,))
        for key in required:
            if key not in options:
                raise options.fault(f"no '{key}'", f"expected {' and '.join(required)}")

    def rounds(
        self, options: Node, key: str, usual: str, values: list[Any], scope: Mapping[str, Any], depth: int
    ) -> Iterator[Node]:
        """The entries of ``iterate`` for each of the values, which the variable that ``key`` names has in turn."""
        name = usual
        if key in options:
            node = self.expressions.evaluate(options.get(key), scope)
            if not isinstance(node.content, str) or not node.content.isidentifier():
                raise node.fault(repr(node.value), "expected the name of a variable")
            name = node.content
        for value in values:
            self.count_one(options)
            yield from self.entries(options.get("iterate"), within(scope, {name: value}), depth + 1)

    def template(self, word: str, node: Node, scope: Mapping[str, Any], depth: int) -> Iterator[Node]:
        """The template's entries, which see its arguments by name and as ``args``, and ``inputs``."""
        given = self.expressions.evaluate(node.get(word), scope).value
        if "inputs" in node:
            inputs = self.expressions.evaluate(node.get("inputs"), scope).value
        else:
            inputs = self.name(self.done[-1]) if self.done else []
        names = {"args": given, "inputs": inputs, **(given if isinstance(given, dict) else {})}
        body = self.templates[word]
        if not isinstance(body.content, list):
            body = Node([body], body.mark, body.path)
        try:
            yield from self.entries(body, within(scope, names), depth + 1)
        except ConfigError as error:
            advice = error.advice or f"the template is used at {node.where()}"
            raise ConfigError(error.where, error.found, error.expected, advice) from error


def within(scope: Mapping[str, Any], names: Mapping[str, Any]) -> Mapping[str, Any]:
    return ChainMap(dict(names), scope)  # type: ignore[arg-type]


def word_of(layer: Node) -> str:
    return str(next(key for key in layer if key in WORDS))
