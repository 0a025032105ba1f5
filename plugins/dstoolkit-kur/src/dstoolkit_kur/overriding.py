"""``--set settings.rnn.size=32``: a value of a Kurfile given on the command line, before expressions are evaluated.

Anchors are resolved by then: what an alias copied is overridden where it was copied to.
"""

from __future__ import annotations

from collections.abc import Iterable

from dstoolkit import config
from dstoolkit.errors import ConfigError
from dstoolkit_kur import includes, reading
from dstoolkit_kur.node import STEP, Mark, Node, Path


def overridden(tree: Node, assignments: Iterable[str]) -> Node:
    """The tree with each ``a.b[0].c=value`` in its place. Raises ConfigError."""
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        place = f"--set {assignment}"
        steps: Path = tuple(int(at) if at else name for name, at in STEP.findall(key))
        if not equals or not steps:
            raise ConfigError(place, "not an assignment", "expected 'section.option=value'")
        section = includes.ALIASES.get(str(steps[0]), steps[0])
        if section not in includes.SECTIONS:
            raise ConfigError(place, "no such section", config.nearest(str(steps[0]), includes.SECTIONS))
        tree = put(tree, (section, *steps[1:]), value(text, f"--set {key}"), place)
    return tree.moved(())


def value(text: str, place: str) -> Node:
    """The text as a Kurfile's value."""
    try:
        found = reading.Reader(f"value: {text}\n", place).document()
    except Exception as error:  # the parser's kinds are many
        raise ConfigError(place, "not a YAML value", "", "quote a word that holds ': ', '#' or brackets") from error
    return marked(found.get("value"), Mark(place)) if found is not None else Node(None, Mark(place))


def marked(node: Node, mark: Mark) -> Node:
    """The same content, all of it at ``mark``: a command line has no lines."""
    if isinstance(node.content, dict):
        return Node({key: marked(each, mark) for key, each in node.items()}, mark)
    return Node([marked(each, mark) for each in node] if isinstance(node.content, list) else node.content, mark)


def put(node: Node, path: Path, new: Node, place: str) -> Node:
    """``node`` with ``new`` at ``path``; mappings on the way are made where they are missing."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        if not isinstance(node.content, list) or step >= len(node.content):
            raise ConfigError(place, f"no element [{step}] there", "expected one of a list, counted from 0")
        items = [put(each, rest, new, place) if at == step else each for at, each in enumerate(node.content)]
        return Node(items, node.mark, node.path)
    if isinstance(node.content, list):
        raise ConfigError(place, f"'{step}' within a list", "expected an element's number, such as [0]")
    held = dict(node.content) if isinstance(node.content, dict) else {}
    held[step] = put(held.get(step, Node(None, new.mark)), rest, new, place)
    return Node(held, node.mark, node.path)
