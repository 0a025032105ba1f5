"""Every recipe's model can be built, and has as many parameters as the first line of its configuration says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from dstoolkit import plugins
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.pipeline.experiment import load

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
CONFIGURATIONS = sorted(RECIPES.glob("*/conf/*.yaml"))
CHARACTERS = 29  # a to z, space, apostrophe, blank
SIZED = {"small", "medium", "large", "deepspeech-kur"}


def parameters(path: Path) -> int:
    """Of the whole model, without memory for them."""
    chosen = load(path)
    features, feature_options = plugins.choose("features", chosen.features)
    encoder, options = plugins.choose("encoders", chosen.encoder)
    _, pieces = plugins.choose("tokenizers", chosen.tokenizer)
    dim = features(feature_options, 16000 if features.source == "wav.scp" else 0).dim
    with torch.device("meta"):
        model = CTCModel(encoder(options, dim), getattr(pieces, "vocab_size", CHARACTERS))
    return sum(each.numel() for each in model.parameters())


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_a_recipes_model_has_the_size_that_is_stated(path):
    stated = re.match(r"# ([\d.]+) M parameters", path.read_text(encoding="utf-8"))
    found = parameters(path)
    assert found > 10_000
    assert bool(stated) == (path.stem in SIZED)
    if stated:
        assert float(stated[1]) == round(found / 1e6, 1)
