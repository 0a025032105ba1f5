"""An experiment's sections, their defaults, and the way through a checkpoint and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from dstoolkit.config import plain
from dstoolkit.errors import DstoolkitError
from dstoolkit.pipeline.experiment import Experiment, from_plain, load

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def test_a_round_trip_through_plain_values_changes_nothing():
    chosen = load(None, ["encoder.size=7", "train.lr=1e-3", "train.optimizer.betas=[0.9, 0.95]", "cmvn=speaker"])
    assert chosen.encoder.name == "deepspeech"
    assert chosen.encoder.options == {"size": 7}
    again = from_plain(plain(chosen), "best.pt")
    assert plain(again) == plain(chosen)
    assert again == chosen


@pytest.mark.parametrize(
    "path", sorted(RECIPES.glob("*/conf/*.yaml")), ids=lambda path: f"{path.parts[-3]}/{path.name}"
)
def test_every_recipe_configuration_is_valid_to_the_last_option(path):
    from dstoolkit import plugins

    chosen = load(path)
    for kind, choice in (
        ("features", chosen.features),
        ("tokenizers", chosen.tokenizer),
        ("encoders", chosen.encoder),
        ("losses", chosen.loss),
        ("decoders", chosen.decoder),
    ):
        plugins.choose(kind, choice)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("train.epochs=-1", "epochs is -1; expected 0 or more"),
        ("train.lr=0", "must be above 0"),
        ("train.ema=1", "0 to below 1"),
        ("cmvn=globl", "or 'option: value' lines; did you mean 'global'?"),
        ("cmvn.rotatoin=pca", "cmvn.rotatoin: no such option; did you mean 'rotation'?"),
        ("cmvn.scale=false", "turns them back"),
        ("sed=1", "sed: no such option; did you mean 'seed'?"),
    ],
)
def test_bad_values_are_named(setting, said):
    with pytest.raises(DstoolkitError, match=said.replace("?", r"\?")):
        load(None, [setting])


def test_defaults_are_those_of_the_classes():
    assert load(None) == Experiment()
