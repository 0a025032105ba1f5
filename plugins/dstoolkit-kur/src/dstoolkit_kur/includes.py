"""A Kurfile and the files it includes, merged into one tree whose parts still know their lines.

``include`` is a path, a pattern (``conf/*.yml``), ``{source: path, method: blend}``, or a list of these; paths are
relative to the file that has it. The including file wins, and an earlier include wins over a later one. A file that is
included twice counts once, where it is met first; one that includes itself is refused.

Methods: ``blend`` merges mappings key by key and lists element by element; ``merge`` takes the including file's list
instead; ``concat`` puts its elements after the included ones. As in Kur, the elements of lists have no names, so
``blend`` of two models is rarely what is wanted.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dstoolkit_kur import reading
from dstoolkit_kur.node import Node

SECTIONS = ("settings", "train", "validate", "test", "evaluate", "model", "loss", "templates")
ALIASES = {"training": "train", "validation": "validate", "testing": "test", "evaluation": "evaluate"}
INCLUDE = "include"
PATTERN = "*?["
Method = Literal["blend", "merge", "concat"]


@dataclass(frozen=True)
class Include:
    """source: a path or a pattern.
    method: how lists are merged: blend, merge or concat.
    """

    source: str = ""
    method: Method = "blend"

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("no source; expected a path")


@dataclass
class Gathering:
    """The files read so far; ``within`` are those whose includes are being read."""

    files: list[Path] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)
    within: list[Path] = field(default_factory=list)

    def gather(self, path: Path) -> Node:
        """The file with what it includes. Raises ConfigError, Faults."""
        real = path.resolve()
        self.files.append(path)
        self.seen.add(real)
        self.within.append(real)
        tree = named(reading.read(path))
        content = dict(tree.items())
        include = content.pop(INCLUDE, None)
        merged = Node(dict(content), tree.mark)
        for at, each in entries(include):
            for included in self.found(at, each, path):
                merged = merge(self.gather(included), merged, each.method)
        self.within.pop()
        return merged

    def found(self, at: Node, include: Include, path: Path) -> Iterator[Path]:
        """The files an include names, but for those already read."""
        for each in matching(at, path.parent, os.path.expandvars(os.path.expanduser(include.source))):
            real = each.resolve()
            if real in self.within:
                raise at.fault(f"'{include.source}', which includes this file", "expected no circle", "remove one")
            if real not in self.seen:
                yield each


def gather(path: Path) -> tuple[Node, tuple[Path, ...]]:
    """The whole of a Kurfile without its includes' section, and the files it is made of, itself first."""
    gathering = Gathering()
    tree = gathering.gather(path).moved(())
    return tree, tuple(gathering.files)


def matching(at: Node, folder: Path, source: str) -> list[Path]:
    """The files that a path or a pattern stands for, sorted."""
    path = folder / source
    if path.is_file():
        return [path]
    if not any(mark in source for mark in PATTERN):
        raise at.fault(f"no file {path}", "expected a Kurfile, named relative to this one")
    found = sorted(glob.glob(os.path.join(glob.escape(str(folder)), source)))
    files = [Path(each) for each in found if Path(each).is_file()]
    if not files:
        raise at.fault(f"no file like {path}", "expected one or more")
    return files


def entries(include: Node | None) -> Iterator[tuple[Node, Include]]:
    if include is None or include.content is None:
        return
    include = include.moved((INCLUDE,))
    for each in include if isinstance(include.content, list) else [include]:
        if isinstance(each.content, str):
            yield each, Include(each.content)
        elif isinstance(each.content, dict):
            yield each, each.build(Include)
        else:
            raise each.fault(repr(each.value), "expected a path, or {source: path, method: blend}")


def named(tree: Node) -> Node:
    """The sections by their first names: ``training`` is ``train``. Raises ConfigError for what is no section."""
    from dstoolkit import config

    content: dict[str, Node] = {}
    for key, each in tree.items():
        name = ALIASES.get(key, key)
        if name not in (*SECTIONS, INCLUDE):
            raise Node(None, each.mark, (key,)).fault("no such section", config.nearest(key, (*SECTIONS, INCLUDE)))
        if name in content:
            raise Node(None, each.mark, (key,)).fault(
                f"'{name}' again", f"the first is on line {content[name].mark.line}"
            )
        content[name] = each
    return Node(content, tree.mark)


def merge(included: Node, own: Node, method: Method) -> Node:
    """Both in one; ``own`` wins."""
    ours, theirs = own.content, included.content
    if isinstance(ours, dict) and isinstance(theirs, dict):
        both = {key: merge(theirs[key], ours[key], method) for key in theirs if key in ours}
        return Node({**theirs, **ours, **both}, own.mark)
    if isinstance(ours, list) and isinstance(theirs, list) and method != "merge":
        if method == "concat":
            return Node([*theirs, *ours], own.mark)
        blended = [merge(one, other, method) for one, other in zip(theirs, ours, strict=False)]
        return Node([*blended, *theirs[len(ours) :], *ours[len(theirs) :]], own.mark)
    return own
