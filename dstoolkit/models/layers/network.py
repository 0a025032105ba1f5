"""Entries become a network: who takes whose output, which of them the chosen output needs, and the modules."""

from __future__ import annotations

from collections.abc import Sequence

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


def outlet(entries: Sequence[Described], output: str) -> int:
    """The place of the output that is called ``output``; of the only one; or, where none is marked, the last entry."""
    sinks = {at: entry.name or entry.where for at, entry in enumerate(entries) if entry.sink}
    if output:
        for at, name in sinks.items():
            if name == output:
                return at
        raise ConfigError("output", f"no output is called {output!r}", config.nearest(output, sinks.values()))
    if len(sinks) > 1:
        names = ", ".join(repr(each) for each in sinks.values())
        raise ConfigError("output", f"the layers have the outputs {names}", "expected the name of one")
    return next(iter(sinks), len(entries) - 1)


def needed(sources: Sequence[tuple[int, ...]], outlet: int) -> list[int]:
    """The places that the outlet's value depends on, itself too, in order."""
    found: set[int] = set()
    waiting = [outlet]
    while waiting:
        at = waiting.pop()
        if at != DATA and at not in found:
            found.add(at)
            waiting.extend(sources[at])
    return sorted(found)


class Network(nn.Module):
    """The network to one output. Raises ConfigError, naming the entry, where layers do not fit together.

    ``ends_in_logits``: the output was a softmax, which is left out: its input is the output then.
    """

    def __init__(self, entries: Sequence[Described], input_dim: int, output: str = "") -> None:
        super().__init__()
        if not entries:
            raise ConfigError("layers", "no layers")
        self.sources = connect(entries)
        self.end = outlet(entries, output)
        self.order = needed(self.sources, self.end)
        self.check_used(entries)
        self.layers = nn.ModuleDict()
        self.named: dict[str, Container] = {}
        shapes = {DATA: Shape((Frames(), input_dim))}
        for at in self.order:
            given = [shapes[source] for source in self.sources[at]]
            layer = self.build(entries[at], given)
            self.layers[str(at)] = layer
            shapes[at] = layer.shape
        self.ends_in_logits = self.leave_softmax_out()
        self.shape = shapes[self.end]
        self.check_output(entries)

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

    def check_used(self, entries: Sequence[Described]) -> None:
        """Refuses a layer that leads to no output at all: it would never learn."""
        sinks = [at for at, entry in enumerate(entries) if entry.sink] or [self.end]
        used = {at for sink in sinks for at in needed(self.sources, sink)}
        reused = {entry.options.target for entry in entries if entry.word == "reuse"}
        for at, entry in enumerate(entries):
            if at not in used and entry.word != "input" and entry.name not in reused:
                raise ConfigError(
                    f"{entry.where}.{entry.word}", "nothing takes its output", "", "remove it, or merge it"
                )

    def leave_softmax_out(self) -> bool:
        """CTC wants what goes into the softmax, not what comes out of it."""
        at = self.end
        while self.passes(at):
            at = self.sources[at][0]
            if at == DATA:
                return False
        layer = self.layer(at)
        if not (isinstance(layer, Activation) and layer.options.type == "softmax"):
            return False
        self.end = self.sources[at][0]
        self.order = needed(self.sources, self.end)
        for other in [int(key) for key in self.layers if int(key) not in self.order]:
            del self.layers[str(other)]
        return True

    def layer(self, at: int) -> Container:
        found = self.layers[str(at)]
        assert isinstance(found, Container)
        return found

    def passes(self, at: int) -> bool:
        layer = self.layer(at)
        return isinstance(layer, (Input, Output)) or (isinstance(layer, Activation) and layer.options.type == "none")

    def check_output(self, entries: Sequence[Described]) -> None:
        where = entries[self.end].where if self.end != DATA else "layers"
        if len(self.shape) != 2 or self.shape.time == 1:
            raise ConfigError(where, f"the output is {self.shape}", "expected (frames, values)")

    def forward(self, frames: Tensor, lengths: Tensor) -> Signal:
        """``(batch, frames, input_dim)``, ``(batch,)`` -> the output's values and lengths."""
        found = {DATA: Signal(frames, lengths)}
        last = {source: at for at in self.order for source in self.sources[at]}  # who takes it for the last time
        for at in self.order:
            found[at] = self.layers[str(at)](*(found[source] for source in self.sources[at]))
            for source in {each for each in self.sources[at] if last[each] == at}:
                del found[source]  # its memory is free for the next layers, where no gradient wants it
        return found[self.end]
