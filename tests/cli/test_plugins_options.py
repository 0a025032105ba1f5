"""What is read of a plugin's ``Config``: where the line about an option comes from, and how defaults are written."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Literal

import pytest

from dstoolkit import config, plugins
from dstoolkit.cli.plugins_options import Option, helps_of, options, written


@dataclasses.dataclass(frozen=True)
class Items:
    """The sizes of a net.

    width: ``small`` or
        ``width``: as wide as it gets.
    depth: layers

    Nothing of this text is about depth.
    """

    width: str = "small"
    depth: int = 3
    other: float = 0.5  # probability: of nothing
    silent: bool = False


@dataclasses.dataclass(frozen=True)
class Running(Items):
    """What is kept. ``depth``: of the search. ``beam``: prefixes,
    at each frame (``width`` says of what)."""

    other: float = 0.25
    silent: bool = True  # whether it is
    beam: int = 4


def test_lines_come_from_items_of_the_docstring_and_from_comments():
    assert helps_of(Items) == {
        "width": "``small`` or ``width``: as wide as it gets.",
        "depth": "layers",
        "other": "probability: of nothing",
    }


def test_lines_come_from_a_running_text_and_a_base_class_stands_in():
    assert helps_of(Running) == {
        "width": "``small`` or ``width``: as wide as it gets.",
        "depth": "of the search.",
        "other": "probability: of nothing",
        "silent": "whether it is",
        "beam": "prefixes, at each frame (``width`` says of what).",
    }


def test_a_class_without_source_has_its_options_all_the_same():
    made = dataclasses.make_dataclass("Made", [("size", int, 3)], frozen=True)
    assert options(made) == [Option("size", "a whole number", 3, "")]


@dataclasses.dataclass(frozen=True)
class Kinds:
    number: float = math.inf
    numbers: tuple[float, ...] = (1e-7, -math.inf)
    word: str = "no"
    like_a_number: str = "1e-3"
    like_null: str = "null"
    empty: str = ""
    broken: str = "a: [b, 'c' #d"
    comma: str = "a,b"
    german: str = "größer"
    nothing: Path | None = None
    path: Path = Path("data/train set")
    border: Literal["same", "valid"] = "same"
    choices: tuple[config.Choice, ...] = (config.Choice("noise", {"snr": 3, "folder": "x, y"}),)
    weights: dict[str, float] = dataclasses.field(default_factory=lambda: {"hot word": 2.0, "1": 3.0})


def read_back(cls: type) -> object:
    """A Config made of all its defaults as ``--set`` takes them."""
    return config.build(cls, config.load(None, [f"{each.name}={written(each.default)}" for each in options(cls)]))


def test_defaults_are_written_as_set_reads_them():
    assert config.plain(read_back(Kinds)) == config.plain(Kinds())
    shown = {each.name: written(each.default) for each in options(Kinds)}
    assert (shown["number"], shown["word"], shown["nothing"], shown["german"]) == (".inf", "no", "null", "größer")
    assert shown["choices"] == '[{name: noise, snr: 3, folder: "x, y"}]'


def test_defaults_are_json():
    text = json.dumps([each.default for each in options(Kinds)], allow_nan=False)
    assert json.loads(text)[:2] == [".inf", [1e-7, "-.inf"]]


@pytest.mark.parametrize("kind", [each for each in plugins.KINDS if each != "commands"])
def test_every_default_of_ours_can_be_set(kind):
    registry = plugins.load()
    for name in registry.names(kind):
        cls = registry.get(kind, name).Config
        assert read_back(cls) == cls()


def test_every_option_of_our_encoders_is_explained():
    """Those that stand in a base class too."""
    registry = plugins.load()
    for name in ("deepspeech", "deepspeech2", "conformer"):
        assert [each.name for each in options(registry.get("encoders", name).Config) if not each.help] == []
