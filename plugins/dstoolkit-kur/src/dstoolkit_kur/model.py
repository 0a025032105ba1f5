"""The network of a Kurfile's model, and the table that ``dstoolkit kur build`` shows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from dstoolkit.errors import ConfigError, DstoolkitError, Faults
from dstoolkit.models.layers.container import Described
from dstoolkit.models.layers.description import describe
from dstoolkit.models.layers.network import Network, needed
from dstoolkit_kur.kurfile import Kurfile
from dstoolkit_kur.node import Node

PLACE = "layers"  # begins the places in the faults of the encoder 'layers'
USUAL_DIM = 81  # values of a frame where nothing says: those of the features 'spectrogram' at 8 kHz


@dataclass(frozen=True)
class Row:
    """A layer: its name, word, the shape of its output, and how many parameters it has and trains."""

    name: str
    word: str
    shape: str
    parameters: int
    trained: int


@dataclass(frozen=True)
class Built:
    network: Network
    rows: tuple[Row, ...]


class Weightless(TorchFunctionMode):
    """Layers made within have parameters of torch's device ``meta``: their shapes, and no values."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func is torch.empty and given.get("device") is None:
            given["device"] = "meta"
        return func(*args, **given)


def build(
    kurfile: Kurfile,
    input_dim: int | None = None,
    output: str = "",
    weights: bool = False,
    more: Sequence[str] = (),
) -> Built:
    """The network to ``output`` and to ``more``. Raises ConfigError, Faults, with file and line.

    ``input_dim``: values of a frame. ``weights``: with parameters that have values; without, any size is made quickly.
    """
    layers = kurfile.layers()
    dim = input_dim or stated_dim(layers) or USUAL_DIM
    with placing(layers):
        entries = describe(layers.value, PLACE)
        with nullcontext() if weights else Weightless():
            network = Network(entries, dim, output, more)
    return Built(network, tuple(table(entries, network)))


def described(layers: Node) -> tuple[Described, ...]:
    """Raises ConfigError, Faults, with file and line."""
    with placing(layers):
        return describe(layers.value, PLACE)


def outputs(layers: Node) -> dict[str, str]:
    """The outputs' names -> what the encoder calls them: nothing, where no layer is marked and the last one is it."""
    entries = described(layers)
    sinks = {each.name: each.name for each in entries if each.sink and each.name}
    return sinks or {each.name: "" for each in entries[-1:] if each.name}


@contextmanager
def placing(layers: Node) -> Iterator[None]:
    """Gives the faults of the encoder ``layers`` their lines."""
    try:
        yield
    except Faults as error:
        raise Faults([placed(each, layers) for each in error.faults]) from error
    except ConfigError as error:
        raise placed(error, layers) from error
    except RuntimeError as error:  # torch's word on what no memory holds
        raise layers.fault(f"cannot be made: {str(error).splitlines()[0]}") from error


def stated_dim(layers: Node) -> int | None:
    """The values of a frame that ``input: {shape: [null, 81]}`` states."""
    for layer in layers:
        shape = layer.get("input", "shape")
        last = shape.value[-1] if shape is not None and isinstance(shape.content, list) and shape.content else None
        if isinstance(last, int) and not isinstance(last, bool) and last > 0:
            return last
    return None


def placed(fault: DstoolkitError, layers: Node) -> ConfigError:
    """A fault of the encoder ``layers`` with the Kurfile's line and place."""
    inside = fault.where.startswith(PLACE)
    where = layers.locate(fault.where.removeprefix(PLACE)) if inside else layers.where()
    return ConfigError(where, fault.found, fault.expected, fault.advice)


def table(entries: Sequence[Described], network: Network) -> list[Row]:
    """The layers that the outputs need. Those after the network's ends are softmaxes, which are left to the loss."""
    rows = []
    beyond = {at: end.shape for end in network.ends for at in needed(network.sources, [end.outlet])}
    for at in sorted(beyond):
        entry = entries[at]
        layer = network.layer(at) if str(at) in network.layers else None
        shape = beyond[at] if layer is None else layer.shape
        sizes = [] if layer is None else [(each.numel(), each.requires_grad) for each in layer.parameters()]
        trained = sum(size for size, learns in sizes if learns)
        rows.append(Row(entry.name, entry.word, str(shape), sum(size for size, _ in sizes), trained))
    return rows


def text(rows: Sequence[Row]) -> str:
    """The rows in columns, and the total."""
    cells = [("name", "layer", "output", "parameters")]
    cells += [(each.name or "-", each.word, each.shape, f"{each.parameters:,}") for each in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = [
        f"{name:<{widths[0]}}  {word:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}"
        for name, word, shape, count in cells
    ]
    total, trained = sum(each.parameters for each in rows), sum(each.trained for each in rows)
    frozen = "" if total == trained else f", of which {trained:,} are trained"
    return "\n".join([*lines, f"{total:,} parameters{frozen}"])
