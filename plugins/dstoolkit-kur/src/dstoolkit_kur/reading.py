"""One file, YAML or JSON, as nodes that remember their lines.

Anchors, aliases and ``<<`` are resolved here; expressions and includes are not. Each key once: a second one is
refused, naming both lines. Keys are words as they were written (``on:`` is ``on``). Tags such as ``!!python/object``
are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from dstoolkit import config
from dstoolkit.errors import ConfigError
from dstoolkit_kur import scalars
from dstoolkit_kur.node import Content, Mark, Node

MOST_BYTES = 8_000_000  # of one file; a Kurfile has a few thousand
MOST_PARTS = 1_000_000  # values of a file, those that aliases repeat counted each time
DEEPEST = 100  # values within values
MERGE = "<<"
WORDS = ("tag:yaml.org,2002:str", "!")  # the tags that only say 'a word'


def read(path: Path) -> Node:
    """The content of a Kurfile, a mapping. Raises ConfigError, naming the line."""
    text = _text(path)
    if path.suffix.lower() == ".json":
        text = _json(text, path)
    try:
        tree = Reader(text, str(path)).document()
    except MarkedYAMLError as error:
        raise _syntax(error, str(path)) from error
    except (YAMLError, ValueError) as error:
        raise ConfigError(path, f"not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ConfigError(path, "values within values without end", "expected sections") from error
    tree = _mapping(tree, path)
    parts, depth = _extent(tree, {})
    if parts > MOST_PARTS or depth > DEEPEST:
        raise ConfigError(path, f"more than {MOST_PARTS} values, or more than {DEEPEST} deep", "expected fewer")
    return tree


def _extent(node: Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many values the node comes to, and how deep; what aliases share is looked at once."""
    content = node.content
    if not isinstance(content, (dict, list)):
        return 1, 1
    if id(content) not in known:
        inner = [_extent(each, known) for each in (content.values() if isinstance(content, dict) else content)]
        known[id(content)] = 1 + sum(parts for parts, _ in inner), 1 + max((depth for _, depth in inner), default=0)
    return known[id(content)]


def _mapping(tree: Node | None, path: Path) -> Node:
    if tree is None or tree.content is None:
        raise ConfigError(path, "an empty file", "expected sections such as 'model' and 'train'")
    if not isinstance(tree.content, dict):
        kind = "a list" if isinstance(tree.content, list) else repr(tree.content)
        raise tree.fault(kind, "expected sections such as 'model' and 'train'")
    return tree


def _text(path: Path) -> str:
    """The text of a regular file in UTF-8, with or without a byte order mark."""
    if path.exists() and not path.is_file():
        raise ConfigError(path, "not a regular file", "expected a Kurfile")
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(path, (error.strerror or str(error)).lower(), "expected a Kurfile") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(path, f"more than {MOST_BYTES} bytes", "expected a Kurfile")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ConfigError(path, "UTF-16 text", "expected UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}", "not UTF-8 text", "expected a Kurfile") from error


def _json(text: str, path: Path) -> str:
    """JSON, checked as such, that YAML then reads: tabs between values become blanks."""
    if not text.strip():
        return text
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}", f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(path, f"not JSON: {error}") from error
    return text.replace("\t", " ")  # within strings JSON has none


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON's")


def _syntax(error: MarkedYAMLError, path: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    where = f"{path}:{mark.line + 1}" if mark else path
    problem = " ".join((error.problem or str(error)).split())
    if "'\\t'" in problem or "\\t" in problem:
        return ConfigError(where, "a tab where YAML wants spaces", "expected indentation by spaces")
    return ConfigError(where, f"not YAML: {problem}")


class Reader:
    """The events of one text, made into nodes."""

    def __init__(self, text: str, file: str) -> None:
        yaml: Any = YAML(typ="safe", pure=True)
        self.file = file
        self.events: Iterator[Any] = iter(yaml.parse(text))
        self.anchors: dict[str, Node | None] = {}  # None while its content is being read

    def document(self) -> Node | None:
        """The one document of the text; None where there is none."""
        tree = None
        documents = 0
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise ConfigError(self._mark(event), "a second document", "expected one a file")
                tree = self.node(next(self.events))
        return tree

    def _mark(self, event: Any) -> Mark:
        return Mark(self.file, event.start_mark.line + 1)

    def node(self, event: Any) -> Node:
        """The node that ``event`` begins; an alias's has the line of the alias, its parts those of the anchor."""
        mark = self._mark(event)
        if isinstance(event, AliasEvent):
            return Node(self._aliased(event.anchor, mark), mark)
        self._check_tag(event, mark)
        if event.anchor is not None:
            self.anchors[str(event.anchor)] = None
        node = Node(self._content(event, mark), mark)
        if event.anchor is not None:
            self.anchors[str(event.anchor)] = node
        return node

    def _aliased(self, anchor: str, mark: Mark) -> Content:
        if anchor not in self.anchors:
            raise ConfigError(mark, f"no anchor '{anchor}' above", config.nearest(str(anchor), self.anchors))
        node = self.anchors[anchor]
        if node is None:
            raise ConfigError(mark, f"the anchor '{anchor}' within itself", "expected an anchor that has ended")
        return node.content

    def _check_tag(self, event: Any, mark: Mark) -> None:
        tag = str(event.tag) if event.tag else None
        if tag is None or (tag in WORDS and isinstance(event, ScalarEvent)):
            return
        raise ConfigError(mark, f"the tag '{tag}'", "expected a plain value", "leave the tag out")

    def _content(self, event: Any, mark: Mark) -> Content:
        if isinstance(event, ScalarEvent):
            scalar: Content = self._scalar(event, mark)
            return scalar
        if isinstance(event, SequenceStartEvent):
            return [self.node(each) for each in self._until(SequenceEndEvent)]
        assert isinstance(event, MappingStartEvent)
        return self._pairs()

    def _until(self, end: type) -> Iterator[Any]:
        while not isinstance(event := next(self.events), end):
            yield event

    def _scalar(self, event: Any, mark: Mark) -> Any:
        if not event.implicit[0]:
            return _paired(event.value)
        try:
            return scalars.resolve(event.value)
        except ValueError as error:
            raise ConfigError(mark, str(error), "expected a smaller one") from error

    def _pairs(self) -> dict[str, Node]:
        """A mapping's pairs; those that ``<<`` merges in come after its own and never replace them."""
        own: dict[str, Node] = {}
        merged: list[Node] = []
        for event in self._until(MappingEndEvent):
            mark = self._mark(event)
            if not isinstance(event, ScalarEvent):
                raise ConfigError(mark, "a key that is no word", "expected 'option: value'")
            value = self.node(next(self.events))
            if event.value == MERGE and event.implicit[0]:
                merged += self._merged(value)
                continue
            if event.value in own:
                first = own[event.value].mark
                raise ConfigError(mark, f"'{event.value}' a second time", f"the first is on line {first.line}")
            own[event.value] = Node(value.content, mark)
        for each in merged:
            assert isinstance(each.content, dict)
            own = {**each.content, **own}
        return own

    def _merged(self, value: Node) -> list[Node]:
        """The mappings that ``<<`` names, one or a list, the first winning."""
        mappings = value.content if isinstance(value.content, list) else [value]
        for each in mappings:
            if not isinstance(each.content, dict):
                raise ConfigError(value.mark, "'<<' with what is no mapping", "expected '<<: *anchor' of a mapping")
        return mappings


def _paired(text: str) -> str:
    """JSON writes what lies beyond 16 bits as two halves."""
    if not any("\ud800" <= each <= "\udfff" for each in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
