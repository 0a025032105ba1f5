"""The tables of docs/configuration.md agree with the code, option for option and default for default."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from dstoolkit import builtins, config, plugins
from dstoolkit.data.batches import Batches
from dstoolkit.features.augment import Augment
from dstoolkit.pipeline.experiment import Experiment, Snapshots, TrainConfig
from dstoolkit.text.normalize import Normalization

DOCS = (Path(__file__).resolve().parent.parent / "docs/configuration.md").read_text(encoding="utf-8")
ENCODERS = ("deepspeech", "deepspeech2", "conformer", "layers")


def table(section: str) -> dict[str, object]:
    """Option -> default, as the section's table has them."""
    text = re.search(rf"^###+ {section}$(.*?)(?=^#+ |\Z)", DOCS, re.MULTILINE | re.DOTALL)
    assert text, f"docs/configuration.md has no section {section}"
    rows = re.findall(r"^\| `(\w+)` \| `?([^|`]*)`? \|", text[1], re.MULTILINE)
    return {option: config.parse_value(default.strip()) for option, default in rows}


def sections() -> dict[str, object]:
    encoders = {name: plugins.load().get("encoders", name).Config() for name in ENCODERS}
    loss = plugins.load().get("losses", "ctc").Config()
    beam = plugins.load().get("decoders", "beam").Config()
    ours = {**encoders, "loss": loss, "decoder": beam}
    within = {"batches": Batches(), "snapshots": Snapshots()}
    return {"text": Normalization(), "augment": Augment(), "train": TrainConfig(), **within, **ours}


@pytest.mark.parametrize("section", ["text", "augment", *ENCODERS, "loss", "decoder", "train", "batches", "snapshots"])
def test_a_section_is_documented(section: str) -> None:
    defaults = {  # of a plugin its name; options of options have a table of their own
        key: value.get("name", {}) if isinstance(value, dict) else value
        for key, value in config.plain(sections()[section]).items()
    }
    assert table(section) == defaults


def test_every_section_is_mentioned() -> None:
    for each in dataclasses.fields(Experiment):
        assert f"`{each.name}`" in DOCS or re.search(rf"^### .*\b{each.name}\b", DOCS, re.MULTILINE), each.name


def test_every_encoder_of_ours_is_documented() -> None:
    assert {each.name for each in builtins.dstoolkit_register_encoders()} == set(ENCODERS)
