"""docs/from-kur.md has every word and option that the package knows."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import get_args

import pytest
from dstoolkit_kur import (
    hooks,
    includes,
    losses,
    operators,
    optimizer,
    options,
    provider,
    sections,
    settings,
    stopping,
    weights,
)

DOCS = Path(__file__).resolve().parents[3] / "docs" / "from-kur.md"  # of the checkout, beside plugins/
pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="docs/from-kur.md is in dstoolkit's checkout alone")


def fields(*kinds: type) -> set[str]:
    return {each.name for kind in kinds for each in dataclasses.fields(kind) if each.init}


KNOWN = {
    "sections": {*includes.SECTIONS, *includes.ALIASES, includes.INCLUDE},
    "include": {"source", "method", "blend", "merge", "concat"},
    "settings": {*settings.OPTIONS, *settings.NOTED, *settings.NAMES, "seed", "backend"},
    "the sections of data": {each for known in sections.OPTIONS.values() for each in known},
    "operators": {*operators.OPERATORS, "range", "with_index", "iterate", "items", "loop_var", "when"},
    "data": fields(options.SpeechRecognition, options.Normal),
    "provider": fields(provider.Provider),
    "optimizers": {*optimizer.KINDS} | fields(optimizer.Clip, *optimizer.KINDS.values()),
    "the end": {*stopping.OPTIONS, *stopping.MODES, *get_args(stopping.Clock)} | fields(stopping.Elapsed),
    "weights": fields(weights.Weights, weights.Best, weights.Initial, weights.Checkpoint),
    "loss": {*losses.OPTIONS, *losses.VARIANTS, "ctc"},
    "log": {*sections.LOG, *sections.LOGS},
    "hooks": {*hooks.KINDS} | fields(*(kind.options for kind in hooks.KINDS.values())),
}


@pytest.mark.parametrize("where", KNOWN)
def test_every_word_is_there(where):
    text = DOCS.read_text(encoding="utf-8")
    code = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
    told = {word for each in code for word in re.findall(r"\w+", each)}
    assert sorted(KNOWN[where] - told) == []
