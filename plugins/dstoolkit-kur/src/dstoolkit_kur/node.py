"""A part of a Kurfile that remembers where each of its pieces was written.

The line is that of the key (or of the list's item) as it was written: within an anchor, that of the anchor; within an
included file, that of the included file. The path is that of the place where the piece ended up, so that the error of
an alias reads ``speech.yml:17: test.data[0].path`` with 17 the line of the anchor.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, Union

from dstoolkit import config
from dstoolkit.errors import ConfigError, DstoolkitError, Faults

T = TypeVar("T")
# These are evaluated, and Python 3.10 knows no '|' of a name in quotes.
Scalar = Union[str, int, float, bool, None]  # noqa: UP007
Content = Union[dict[str, "Node"], list["Node"], Scalar]  # noqa: UP007
Path = tuple[str | int, ...]
STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True)
class Mark:
    """A line of a file, counted from 1; 0: the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


def dotted(path: Path) -> str:
    """``("data", 0, "path")`` -> ``data[0].path``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


class Node:
    """A mapping, a list or a scalar, with its place."""

    __slots__ = ("content", "mark", "path")

    def __init__(self, content: Content, mark: Mark, path: Path = ()) -> None:
        self.content, self.mark, self.path = content, mark, path

    def __repr__(self) -> str:
        return f"Node({self.value!r}, {str(self.mark)!r})"

    @property
    def value(self) -> Any:
        """Plain Python, made anew at each call: dicts, lists, str, int, float, bool, None."""
        if isinstance(self.content, dict):
            return {key: each.value for key, each in self.content.items()}
        if isinstance(self.content, list):
            return [each.value for each in self.content]
        return self.content

    def __bool__(self) -> bool:
        return bool(self.content)

    def __len__(self) -> int:
        return len(self.content) if isinstance(self.content, (dict, list)) else 0

    def __contains__(self, key: object) -> bool:
        return isinstance(self.content, dict) and key in self.content

    def __iter__(self) -> Iterator[Any]:
        """The nodes of a list, the keys of a mapping, nothing of a scalar."""
        return iter(self.content if isinstance(self.content, (dict, list)) else ())

    def items(self) -> Iterator[tuple[str, Node]]:
        """The pairs of a mapping; none of anything else."""
        return iter(self.content.items() if isinstance(self.content, dict) else ())

    def get(self, *path: str | int, default: Any = None) -> Any:
        """The part at ``path``, or ``default``."""
        part, missing = self._walk(path)
        return default if missing else part

    def _walk(self, path: Path) -> tuple[Node, Path]:
        """The deepest part there is along ``path``, and what of the path is missing."""
        part = self
        for at, step in enumerate(path):
            content = part.content
            if isinstance(content, dict) and step in content:
                part = content[str(step)]
            elif isinstance(content, list) and isinstance(step, int) and step < len(content):
                part = content[step]
            else:
                return part, path[at:]
        return part, ()

    def where(self, *path: str | int) -> str:
        """``speech.yml:17: train.optimizer.name``: of what is missing, the line of what should hold it."""
        part, missing = self._walk(path)
        place = dotted(part.path + missing)
        return f"{part.mark}: {place}" if place else str(part.mark)

    def locate(self, place: str) -> str:
        """``where`` of a place as dstoolkit's checks write it: ``[3].convolution.kernal``."""
        steps = [int(at) if at else key for key, at in STEP.findall(place)]
        return self.where(*steps)

    def fault(self, found: str, expected: str = "", advice: str = "", at: Path = ()) -> ConfigError:
        """An error at this part, or at the part ``at`` below it, to be raised or collected."""
        return ConfigError(self.where(*at), found, expected, advice)

    def build(self, cls: type[T]) -> T:
        """A checked instance of the dataclass ``cls``, as ``dstoolkit.config.build`` makes it.

        Options that are plugins' (``config.Choice``) get their file and line, which their own checks then begin with.
        Raises ConfigError, Faults.
        """
        faults: list[DstoolkitError] = []
        try:
            built = config.build(cls, {} if self.content is None else self.value, ROOT)
        except Faults as error:
            faults.extend(error.faults)
        except ConfigError as error:
            faults.append(error)
        Faults.check(self._placed(fault) for fault in faults)
        placed: T = self._with_places(built)
        return placed

    def _placed(self, fault: DstoolkitError) -> ConfigError:
        where = self.locate(fault.where.removeprefix(ROOT))
        return ConfigError(where, fault.found, fault.expected, fault.advice)

    def _with_places(self, built: Any) -> Any:
        choices = {
            each.name: getattr(built, each.name)
            for each in dataclasses.fields(built)
            if isinstance(getattr(built, each.name), config.Choice) and each.name in self
        }
        placed = {name: dataclasses.replace(each, where=self.where(name)) for name, each in choices.items()}
        return dataclasses.replace(built, **placed) if placed else built

    def moved(self, path: Path) -> Node:
        """The same content and lines at another path."""
        content: Content = self.content
        if isinstance(content, dict):
            content = {key: each.moved((*path, key)) for key, each in content.items()}
        elif isinstance(content, list):
            content = [each.moved((*path, at)) for at, each in enumerate(content)]
        return Node(content, self.mark, path)


ROOT = "kurfile: "  # begins the places of config.build's faults, so that what follows is the path


def lift(value: Any, mark: Mark, path: Path) -> Node:
    """Plain values as nodes of one line."""
    if isinstance(value, Node):
        return value.moved(path)
    if isinstance(value, Mapping):
        return Node({str(key): lift(each, mark, (*path, str(key))) for key, each in value.items()}, mark, path)
    if isinstance(value, (list, tuple)):
        return Node([lift(each, mark, (*path, at)) for at, each in enumerate(value)], mark, path)
    return Node(value, mark, path)
