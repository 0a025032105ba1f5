"""The section ``loss``: CTC on one or several of the model's outputs, between the supplier's sources.

Kur trained every output by one loss and summed these. It had a ``weight`` in its files and refused every value; here it
is the loss's in the sum. ``variant: loss_scale`` multiplies a batch's loss by the mean output frames of its utterances
over 100. ``relative_to`` names the layer whose frames ``input_length`` counts; the output's are then worked out from
there. ``utterance_length`` counts the input's, so the layer must have as many, or the loss would hear what is beyond
an utterance's end (kur/loss/ctc.py, kur/backend/pytorch_backend.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from dstoolkit import config
from dstoolkit.errors import ConfigError, DstoolkitError, Faults
from dstoolkit.models.layers.container import Described
from dstoolkit.models.layers.network import Network, needed
from dstoolkit.models.layers.signals import Frames
from dstoolkit_kur import model
from dstoolkit_kur.node import Node
from dstoolkit_kur.supplier import SOURCES

MEANT = {"input_length": "utterance_length", "output_length": "transcript_length", "output": "transcript"}
INPUT = "utterance"
OPTIONS = ("name", "target", *MEANT, "relative_to", "weight", "variant")
SCALED = "loss_scale"
VARIANTS = ("warp", SCALED)
LENGTH_SCALE = 0.01  # of ``loss_scale``, per output frame
DECODED = "asr"  # the output that Kur's hook 'transcript' read


@dataclass(frozen=True)
class Losses:
    """output: of the model, the one that is decoded, as the encoder ``layers`` calls it.
    weights: of the trained outputs' losses by name; none: ``output`` alone, by 1.
    length_scale: ``train.length_scale``.
    relative: an output's name and the node that says which layer's frames are counted, for each that says it.
    notes: what is read and changes nothing here, a line for each.
    """

    output: str
    weights: dict[str, float] = field(default_factory=dict)
    length_scale: float = 0.0
    relative: tuple[tuple[str, Node], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def more(self) -> tuple[str, ...]:
        """The outputs that are trained beside ``output``."""
        return tuple(name for name in self.weights if name != self.output)

    def options(self) -> dict[str, Any]:
        """Of the encoder ``layers``."""
        return {"output": self.output, **({"losses": self.weights} if self.weights else {})}


def read(section: Node | None, layers: Node, where: str) -> Losses:
    """Raises ConfigError, Faults, with file and line. ``where``: of the Kurfile, which may lack the section."""
    if section is None or not section.content:
        raise ConfigError(where, "no section 'loss'", "expected a list with one, {name: ctc, target: ...}")
    if not isinstance(section.content, list):
        raise section.fault(repr(section.value), "expected a list of losses")
    outputs = model.outputs(layers)
    Faults.check([fault for entry in section for fault in faults(entry, layers, outputs)])
    Faults.check(together(section.content))
    return made(section.content, outputs)


def made(entries: list[Node], outputs: dict[str, str]) -> Losses:
    weights = {str(each.get("target").content): weight(each) for each in entries}
    decoded = DECODED if DECODED in weights else next(iter(weights))
    relative = [(str(each.get("target").content), each.get("relative_to")) for each in entries]
    plain = weights == {decoded: 1.0}
    return Losses(
        outputs[decoded] if plain else decoded,
        {} if plain else weights,
        LENGTH_SCALE if SCALED in variants(entries[0]) else 0.0,
        tuple((name, node) for name, node in relative if node is not None and node.content is not None),
        tuple(f"{each.where('variant')}: 'warp': no meaning here" for each in entries if "warp" in variants(each)),
    )


def trained(section: Node | None) -> tuple[str, ...]:
    """The outputs' names in a section that was checked."""
    return tuple(str(entry.get("target").content) for entry in section or ())


def weight(entry: Node) -> float:
    node = entry.get("weight")
    return 1.0 if node is None or node.content is None else float(node.content)


def variants(entry: Node) -> list[str]:
    """One, or a list of them."""
    node = entry.get("variant")
    if node is None or node.content is None:
        return []
    return [each.content for each in node if each.content] if isinstance(node.content, list) else [node.content]


def together(entries: list[Node]) -> list[DstoolkitError]:
    """What is wrong with losses that are right each by itself."""
    found: list[DstoolkitError] = []
    seen: dict[Any, Node] = {}
    for entry in entries:
        target = entry.get("target").content
        if target in seen:
            found.append(entry.fault(f"a second loss of {target!r}", "expected one", at=("target",)))
        seen[target] = entry
    scaled = [SCALED in variants(each) for each in entries]
    if any(scaled) and not all(scaled):
        odd = entries[scaled.index(not scaled[0])]
        found.append(odd.fault(f"{SCALED!r} of one loss and not of another", "expected it of all", at=("variant",)))
    return found


def faults(entry: Node, layers: Node, outputs: dict[str, str]) -> list[DstoolkitError]:
    if not isinstance(entry.content, dict):
        return [entry.fault(repr(entry.value), "expected {name: ctc, target: ...}")]
    found: list[DstoolkitError] = [
        Node(None, each.mark, each.path).fault("no such option", config.nearest(key, OPTIONS))
        for key, each in entry.items()
        if key not in OPTIONS
    ]
    for key in ("name", "target", *MEANT):
        if entry.get(key) is None:
            found.append(entry.fault("missing", f"expected '{key}: {usual(key, outputs)}'", at=(key,)))
    for key, each in entry.items():
        if (fault := wrong(key, each, layers, outputs)) is not None:
            found.append(fault)
    return found


def usual(key: str, outputs: dict[str, str]) -> str:
    return {"name": "ctc", "target": next(iter(outputs), "NAME"), **MEANT}[key]


def wrong(key: str, node: Node, layers: Node, outputs: dict[str, str]) -> DstoolkitError | None:
    """What is wrong with an option's value."""
    value = node.content
    if key == "name" and value != "ctc":
        known = config.nearest(str(value), ["ctc"])
        return node.fault(f"the loss {value!r} is none of transcripts", known)
    if key == "target" and value not in outputs:
        named = value in [each.get("name").content for each in layers if "name" in each]
        advice = "'sink: yes' beside a layer makes it an output" if named else ""
        return node.fault(f"the model has no output {value!r}", config.nearest(str(value), outputs), advice)
    if key in MEANT and value not in SOURCES:
        return node.fault(f"the data have no source {value!r}", config.nearest(str(value), SOURCES))
    if key in MEANT and value != MEANT[key]:
        return node.fault(repr(value), f"expected '{MEANT[key]}'")
    if key == "relative_to" and not isinstance(value, (str, type(None))):
        return node.fault(repr(node.value), f"expected a layer's name, such as '{INPUT}'")
    if key == "weight" and value is not None and not is_weight(value):
        return node.fault(f"a weight of {node.value!r}", "expected a number above 0", "leave out what is not trained")
    if key == "variant":
        parts = node.content if isinstance(node.content, list) else [node]
        for each in parts:
            if each.content is not None and each.content not in VARIANTS:
                return each.fault(repr(each.value), config.nearest(str(each.value), VARIANTS))
    return None


def is_weight(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def check_relative(losses: Losses, entries: tuple[Described, ...], network: Network) -> None:
    """Raises ConfigError, Faults, where ``input_length`` cannot be counted at the layer that ``relative_to`` names."""
    places = {name: at for at, each in enumerate(entries) for name in (*each.tags, each.name) if name}
    ends = dict(zip([losses.output, *losses.more], network.ends, strict=True))
    found = []
    for output, node in losses.relative:
        end = ends.get(output, network.ends[0])
        name = str(node.content)
        if name not in places:
            if name != INPUT:
                found.append(node.fault(f"no layer is called {name!r}", config.nearest(name, [INPUT, *places])))
        elif places[name] not in needed(network.sources, [end.outlet]):
            found.append(
                node.fault(f"{name!r} does not lead to {output!r}", f"expected a layer before it or '{INPUT}'")
            )
        elif not counts_input(network.named[name].shape.frames):
            counted = f"{name!r} has other frames than the input, which 'utterance_length' counts"
            advice = "the loss would hear what is beyond an utterance's end"
            found.append(node.fault(counted, f"expected a layer that has as many, such as '{INPUT}'", advice))
    Faults.check(found)


def counts_input(frames: Frames | None) -> bool:
    return frames is not None and frames.same(Frames())


def check_input(layers: Node) -> None:
    """Raises ConfigError where the model's input is none of the data's."""
    for at, layer in enumerate(layers):
        node = layer.get("input") if isinstance(layer.content, dict) else None
        if node is None:
            continue
        name = node.content if isinstance(node.content, str) else layer.get("name", default=node).content
        if isinstance(name, str) and name != INPUT:
            raise layers.content[at].fault(  # type: ignore[union-attr, index]
                f"the data have no {name!r} for an input", f"expected '{INPUT}'", at=("input",)
            )
