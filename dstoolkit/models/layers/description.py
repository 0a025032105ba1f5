"""A list of words becomes a list of entries: each word known, each option checked, each name to be found.

An entry is ``{word: options}`` with, beside the word, ``name``, ``tag``, ``oldest``, ``inputs``, ``sink``, ``freeze``
and ``when``; a word without options stands alone, and a bare value stands for the word's main option.
``{for: {range: 3, iterate: [...]}}`` stands for its entries, so many times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dstoolkit import config
from dstoolkit.errors import ConfigError, DstoolkitError, Faults
from dstoolkit.models.layers.container import Container, Described
from dstoolkit.models.layers.pointwise import Activation, BatchNormalization, Dense, Dropout, Embedding
from dstoolkit.models.layers.recurrence import RecurrentLayer
from dstoolkit.models.layers.shaping import Expand, Flatten, Repeat, Squeeze, Transpose
from dstoolkit.models.layers.windows import Convolution, Pool
from dstoolkit.models.layers.wiring import Input, Merge, Output, Parallel, Reuse

ALL: tuple[type[Container], ...] = (
    Input,
    Convolution,
    RecurrentLayer,
    Dense,
    Activation,
    BatchNormalization,
    Dropout,
    Pool,
    Expand,
    Squeeze,
    Flatten,
    Transpose,
    Merge,
    Repeat,
    Reuse,
    Embedding,
    Parallel,
    Output,
)
WORDS = {each.word: each for each in ALL}
MOST = 10_000  # entries: more are a mistake, which would otherwise fill the memory


@dataclass(frozen=True)
class Beside:
    """The fields that stand beside any word.

    name: how other entries call it; no two have the same.
    tag: how later entries may call it too, until another entry takes the tag.
    oldest: the same, but the first entry to have it keeps it.
    inputs: the entries whose outputs it takes; none: the entry before.
    sink: its output is one of the network's.
    freeze: it is not trained.
    when: false leaves the entry out.
    """

    name: str = ""
    tag: str | tuple[str, ...] = ()
    oldest: str | tuple[str, ...] = ()
    inputs: str | tuple[str, ...] = ()
    sink: bool = False
    freeze: bool | None = None
    when: bool = True


BESIDE = ("name", "tag", "oldest", "inputs", "sink", "freeze", "when")


@dataclass(frozen=True)
class ForOptions:
    """range: how often.
    iterate: the entries that are repeated.
    """

    range: int = 0
    iterate: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.range <= MOST:
            raise ValueError(f"range is {self.range}; expected 0 to {MOST}")


def describe(layers: Sequence[Any], where: str = "layers") -> tuple[Described, ...]:
    """The checked entries of the list. Raises ConfigError or Faults, all at once, each with the entry's place."""
    reader = _Reader()
    found = tuple(reader.entries(layers, where))
    Faults.check(reader.faults)
    return found


class _Reader:
    def __init__(self) -> None:
        self.faults: list[DstoolkitError] = []
        self.count = 0

    def entries(self, layers: Any, where: str) -> Iterator[Described]:
        if isinstance(layers, (str, Mapping)) or not isinstance(layers, Sequence):
            self.faults.append(ConfigError(where, repr(layers), "expected a list of layers"))
            return
        for at, entry in enumerate(layers):
            self.count += 1
            if self.count > MOST:
                self.faults = [ConfigError(where, f"more than {MOST} layers")]
                return
            yield from self.entry(entry, f"{where}[{at}]")

    def entry(self, entry: Any, where: str) -> Iterator[Described]:
        if isinstance(entry, str):
            entry = {entry: None}
        word = self.word(entry, where)
        if word is None:
            return
        beside = self.build(Beside, {key: each for key, each in entry.items() if key in BESIDE}, where)
        if beside is None or not beside.when:
            return
        if word == "for":
            yield from self.repeated(entry[word], f"{where}.for")
            return
        cls = WORDS[word]
        options = self.options(cls, entry[word], f"{where}.{word}")
        held = getattr(options, cls.holds) if options is not None and cls.holds else ()
        inner = tuple(self.entries(held, f"{where}.{word}.{cls.holds}")) if cls.holds else ()
        if options is not None:
            if cls.holds and not held:
                self.faults.append(ConfigError(f"{where}.{word}", f"no {cls.holds}", "expected a list of layers"))
            yield described(where, word, options, beside, inner)

    def word(self, entry: Any, where: str) -> str | None:
        known = [*WORDS, "for"]
        if not isinstance(entry, Mapping):
            self.faults.append(ConfigError(where, repr(entry), "expected a layer, such as 'dense: 29'"))
            return None
        unknown = [str(key) for key in entry if key not in known and key not in BESIDE]
        words = [key for key in entry if key in known]
        for key in unknown:
            self.faults.append(ConfigError(f"{where}.{key}", "no such layer", config.nearest(key, [*known, *BESIDE])))
        if len(words) == 1:
            return None if unknown else str(words[0])
        if not unknown:
            found = " and ".join(f"'{each}'" for each in words) or "no layer"
            self.faults.append(ConfigError(where, found, "expected one, such as 'dense: 29'"))
        return None

    def repeated(self, value: Any, where: str) -> Iterator[Described]:
        options = self.build(ForOptions, value, where)
        for _ in range(options.range if options is not None else 0):
            before = len(self.faults)
            yield from self.entries(options.iterate, f"{where}.iterate")
            if len(self.faults) > before:  # the next round would have the same
                return

    def options(self, cls: type[Container], value: Any, where: str) -> Any:
        if value is None:
            value = {}
        elif not isinstance(value, Mapping) and cls.short:
            value = {cls.short: value}
        return self.build(cls.Options, value, where)

    def build(self, cls: type, value: Any, where: str) -> Any:
        try:
            return config.build(cls, value, where)
        except Faults as faults:
            self.faults.extend(dotted(each, where) for each in faults.faults)
        except DstoolkitError as fault:
            self.faults.append(dotted(fault, where))
        return None


def dotted(fault: DstoolkitError, where: str) -> DstoolkitError:
    """``layers[3].dense: size`` as ``layers[3].dense.size``."""
    rest = fault.where.removeprefix(where).removeprefix(": ")
    place = f"{where}.{rest}" if rest and not rest.startswith(".") else f"{where}{rest}"
    return ConfigError(place, fault.found, fault.expected, fault.advice)


def described(where: str, word: str, options: Any, beside: Beside, inner: tuple[Described, ...]) -> Described:
    name = beside.name or (options.name if word in ("input", "output") else "")
    return Described(
        where,
        word,
        options,
        name,
        as_tuple(beside.tag),
        as_tuple(beside.oldest),
        as_tuple(beside.inputs),
        beside.sink or word == "output",
        bool(beside.freeze),
        inner,
    )


def as_tuple(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
