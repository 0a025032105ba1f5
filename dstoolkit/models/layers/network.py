"""Entries become a network: who takes whose output, which of them the chosen outputs need, and the modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from dstoolkit import config
from dstoolkit.errors import ConfigError
from dstoolkit.models.layers.container import Container, Described
from dstoolkit.models.layers.description import WORDS
from dstoolkit.models.layers.pointwise import Activation
from dstoolkit.models.layers.signals import Frames, Shape, Signal
from dstoolkit.models.layers.wiring import Input, Output, Parallel, Reuse

DATA = -1  # the place of the frames that come in, among the entries


def connect(entries: Sequence[Described]) -> list[tuple[int, ...]]:
    """For each entry the places of those it takes. Raises ConfigError for a name that no earlier entry has."""
    names: dict[str, int] = {}
    tags: dict[str, int] = {}
    oldest: dict[str, int] = {}
    sources = []
    for at, entry in enumerate(entries):
        known = {**oldest, **tags, **names}
        for name in entry.inputs:
            if name not in known:
                near = config.nearest(name, known) if known else "it is the first"
                raise ConfigError(f"{entry.where}.inputs", f"no earlier layer is called {name!r}", near)
        before = DATA if entry.word == "input" else at - 1
        sources.append(tuple(known[name] for name in entry.inputs) or (before,))
        if entry.name in names:
            other = entries[names[entry.name]].where
            raise ConfigError(f"{entry.where}.name", f"{entry.name!r}, as {other} is called", "expected another")
        names |= {entry.name: at} if entry.name else {}
        tags |= dict.fromkeys(entry.tags, at)
        oldest = dict.fromkeys(entry.oldest, at) | oldest
    return sources


def outlet(entries: Sequence[Described], output: str, where: str = "output") -> int:
    """The place of the output that is called ``output``; of the only one; or, where none is marked, the last entry."""
    sinks = {at: entry.name or entry.where for at, entry in enumerate(entries) if entry.sink}
    last = len(entries) - 1
    if output:
        known = sinks or {last: entries[last].name}
        for at, name in known.items():
            if name == output:
                return at
        named = [name for name in known.values() if name]
        advice = config.nearest(output, named) if named else "the last layer has no name"
        raise ConfigError(where, f"no output is called {output!r}", advice)
    if len(sinks) > 1:
        names = ", ".join(repr(each) for each in sinks.values())
        raise ConfigError(where, f"the layers have the outputs {names}", "expected the name of one")
    return next(iter(sinks), last)


def needed(sources: Sequence[tuple[int, ...]], outlets: Iterable[int]) -> list[int]:
    """The places that the outlets' values depend on, themselves too, in order."""
    found: set[int] = set()
    waiting = list(outlets)
    while waiting:
        at = waiting.pop()
        if at != DATA and at not in found:
            found.add(at)
            waiting.extend(sources[at])
    return sorted(found)


@dataclass(frozen=True)
class End:
    """Where an output's values are taken.

    at: the layer that gives them. outlet: the entry that the description calls the output. logits: the output was a
    softmax, which is left out: its input is taken.
    """

    at: int
    outlet: int
    shape: Shape
    logits: bool


class Network(nn.Module):
    """The network to one output, or to ``more`` beside it. Raises ConfigError, naming the entry, where layers do not
    fit together.

    ``ends`` are where the outputs are taken, ``output``'s first, which ``shape`` and ``ends_in_logits`` are of.
    """

    def __init__(
        self, entries: Sequence[Described], input_dim: int, output: str = "", more: Sequence[str] = ()
    ) -> None:
        super().__init__()
        if not entries:
            raise ConfigError("layers", "no layers")
        self.sources = connect(entries)
        outlets = [outlet(entries, output), *(outlet(entries, each, f"losses.{each}") for each in more)]
        self.order = needed(self.sources, outlets)
        self.check_used(entries, outlets)
        self.layers = nn.ModuleDict()
        self.named: dict[str, Container] = {}
        shapes = {DATA: Shape((Frames(), input_dim))}
        for at in self.order:
            given = [shapes[source] for source in self.sources[at]]
            layer = self.build(entries[at], given)
            self.layers[str(at)] = layer
            shapes[at] = layer.shape
        self.ends = tuple(self.end_of(at, shapes) for at in outlets)
        self.shape, self.ends_in_logits = self.ends[0].shape, self.ends[0].logits
        for end in self.ends:
            check_output(entries, end)
        self.keep(needed(self.sources, [end.at for end in self.ends]))

    def build(self, entry: Described, shapes: Sequence[Shape]) -> Container:
        try:
            layer = WORDS[entry.word](entry, shapes)
            if isinstance(layer, Reuse):
                layer.aim(self.reused(entry))
        except ValueError as error:
            raise ConfigError(f"{entry.where}.{entry.word}", str(error)) from error
        if isinstance(layer, Parallel):
            for inner in entry.inner:
                if inner.inputs or inner.sink:
                    raise ConfigError(inner.where, "has inputs or is an output", "expected neither within 'parallel'")
            layer.fill(entry, self.build)
        if entry.freeze:
            layer.requires_grad_(False)
        for name in (entry.name, *entry.tags, *entry.oldest):
            if name and not (name in entry.oldest and name in self.named):
                self.named[name] = layer
        return layer

    def reused(self, entry: Described) -> Container:
        target = entry.options.target
        if target not in self.named:
            near = config.nearest(target, self.named) if self.named else ""
            raise ConfigError(f"{entry.where}.reuse", f"no earlier layer is called {target!r}", near)
        return self.named[target]

    def check_used(self, entries: Sequence[Described], outlets: Sequence[int]) -> None:
        """Refuses a layer that leads to no output at all: it would never learn."""
        sinks = [at for at, entry in enumerate(entries) if entry.sink] or outlets
        used = set(needed(self.sources, sinks))
        reused = {entry.options.target for entry in entries if entry.word == "reuse"}
        for at, entry in enumerate(entries):
            if at not in used and entry.word != "input" and entry.name not in reused:
                raise ConfigError(
                    f"{entry.where}.{entry.word}", "nothing takes its output", "", "remove it, or merge it"
                )

    def end_of(self, outlet: int, shapes: Mapping[int, Shape]) -> End:
        """CTC wants what goes into the softmax, not what comes out of it."""
        at = outlet
        while self.passes(at):
            at = self.sources[at][0]
            if at == DATA:
                return End(outlet, outlet, shapes[outlet], False)
        layer = self.layer(at)
        if not (isinstance(layer, Activation) and layer.options.type == "softmax"):
            return End(outlet, outlet, shapes[outlet], False)
        before = self.sources[at][0]
        return End(before, outlet, shapes[before], True)

    def keep(self, order: list[int]) -> None:
        """Forget the layers that no output needs, now that it is known where they are taken."""
        self.order, self.first = order, needed(self.sources, [self.ends[0].at])
        for other in [key for key in self.layers if int(key) not in order]:
            del self.layers[other]

    def layer(self, at: int) -> Container:
        found = self.layers[str(at)]
        assert isinstance(found, Container)
        return found

    def passes(self, at: int) -> bool:
        layer = self.layer(at)
        return isinstance(layer, (Input, Output)) or (isinstance(layer, Activation) and layer.options.type == "none")

    def forward(self, frames: Tensor, lengths: Tensor) -> Signal:
        """``(batch, frames, input_dim)``, ``(batch,)`` -> the first output's values and lengths."""
        return self.run(frames, lengths, self.first, self.ends[:1])[0]

    def every(self, frames: Tensor, lengths: Tensor) -> list[Signal]:
        """The same of all outputs."""
        return self.run(frames, lengths, self.order, self.ends)

    def run(self, frames: Tensor, lengths: Tensor, order: Sequence[int], ends: Sequence[End]) -> list[Signal]:
        """The layers of ``order``, and what those at the ``ends`` give."""
        found = {DATA: Signal(frames, lengths)}
        wanted = [end.at for end in ends]
        last = {source: at for at in order for source in self.sources[at]}  # who takes it for the last time
        for at in order:
            found[at] = self.layers[str(at)](*(found[source] for source in self.sources[at]))
            for source in {each for each in self.sources[at] if last[each] == at and each not in wanted}:
                del found[source]  # its memory is free for the next layers, where no gradient wants it
        return [found[at] for at in wanted]


def check_output(entries: Sequence[Described], end: End) -> None:
    where = entries[end.at].where if end.at != DATA else "layers"
    if len(end.shape) != 2 or end.shape.time == 1:
        raise ConfigError(where, f"the output is {end.shape}", "expected (frames, values)")
