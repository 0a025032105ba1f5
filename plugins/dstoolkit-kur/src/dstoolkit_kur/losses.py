"""The section ``loss``: CTC on one of the model's outputs, between the supplier's sources."""

from __future__ import annotations

from dataclasses import dataclass

from dstoolkit import config
from dstoolkit.errors import ConfigError, DstoolkitError, Faults
from dstoolkit_kur import model
from dstoolkit_kur.node import Node
from dstoolkit_kur.supplier import SOURCES

MEANT = {"input_length": "utterance_length", "output_length": "transcript_length", "output": "transcript"}
INPUT = "utterance"
OPTIONS = ("name", "target", *MEANT, "relative_to", "weight", "variant")


@dataclass(frozen=True)
class Loss:
    """output: of the model, the one that is trained, as the encoder ``layers`` calls it.
    notes: what is read and changes nothing here, a line for each.
    """

    output: str
    notes: tuple[str, ...] = ()


def read(section: Node | None, layers: Node, where: str) -> Loss:
    """Raises ConfigError, Faults, with file and line. ``where``: of the Kurfile, which may lack the section."""
    if section is None or not section.content:
        raise ConfigError(where, "no section 'loss'", "expected a list with one, {name: ctc, target: ...}")
    if not isinstance(section.content, list):
        raise section.fault(repr(section.value), "expected a list of losses")
    if len(section.content) > 1:
        raise section.content[1].fault("a second loss is not supported yet", "expected one")
    entry = section.content[0]
    if not isinstance(entry.content, dict):
        raise entry.fault(repr(entry.value), "expected {name: ctc, target: ...}")
    Faults.check(faults(entry, layers))
    notes = [entry.where("variant")] if entry.get("variant") is not None and entry.get("variant").content else []
    return Loss(model.outputs(layers)[entry.get("target").content], tuple(f"{each}: no meaning here" for each in notes))


def faults(entry: Node, layers: Node) -> list[DstoolkitError]:
    found: list[DstoolkitError] = [
        Node(None, each.mark, each.path).fault("no such option", config.nearest(key, OPTIONS))
        for key, each in entry.items()
        if key not in OPTIONS
    ]
    for key in ("name", "target", *MEANT):
        if entry.get(key) is None:
            found.append(entry.fault("missing", f"expected '{key}: {usual(key, layers)}'", at=(key,)))
    for key, each in entry.items():
        if (fault := wrong(key, each, layers)) is not None:
            found.append(fault)
    return found


def usual(key: str, layers: Node) -> str:
    return {"name": "ctc", "target": next(iter(model.outputs(layers)), "NAME"), **MEANT}[key]


def wrong(key: str, node: Node, layers: Node) -> DstoolkitError | None:
    """What is wrong with an option's value."""
    value = node.content
    if key == "name" and value != "ctc":
        return node.fault(f"the loss {value!r} is not supported yet", config.nearest(str(value), ["ctc"]))
    if key == "target" and value not in model.outputs(layers):
        return node.fault(f"the model has no output {value!r}", config.nearest(str(value), model.outputs(layers)))
    if key in MEANT and value not in SOURCES:
        return node.fault(f"the data have no source {value!r}", config.nearest(str(value), SOURCES))
    if key in MEANT and value != MEANT[key]:
        return node.fault(repr(value), f"expected '{MEANT[key]}'")
    if key == "relative_to" and value not in (None, INPUT):
        return node.fault(f"relative to {value!r} is not supported yet", config.nearest(str(value), [INPUT]))
    if key == "weight" and (isinstance(value, bool) or value not in (None, 1)):
        advice = "leave it out, and set the learning rate"
        return node.fault(f"a weight of {value!r} is not supported yet", "expected 1", advice)
    if key == "variant" and value not in (None, "warp"):
        return node.fault(repr(value), config.nearest(str(value), ["warp"]))
    return None


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
