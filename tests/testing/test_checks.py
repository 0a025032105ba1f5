"""The kit passes what is sound, ours included, and fails each of a set of plugins broken in one way."""

from __future__ import annotations

import dataclasses
import wave
from typing import ClassVar

import pytest

from dstoolkit import plugins
from dstoolkit.ctc.loss import CTCLoss
from dstoolkit.decoding.greedy import Greedy
from dstoolkit.errors import PluginError
from dstoolkit.features.substitution import SpecSub
from dstoolkit.models.deepspeech import DeepSpeech, DeepSpeechConfig
from dstoolkit.testing import Outcome, Subject, parametrize_with_checks, run_checks
from dstoolkit.testing.checks import MODULES, bind, checks
from dstoolkit.text.characters import Characters
from tests.testing.greeting import Hello
from tests.testing.mutants import MUTANTS
from tests.testing.sound import Convolution, Energy, Folder

WARNING = "loads_lightly"  # warns, and never fails: see below
SOUND = {
    "features": Energy,
    "augmentations": SpecSub,
    "encoders": Convolution,
    "losses": CTCLoss,
    "decoders": Greedy,
    "tokenizers": Characters,
    "corpora": Folder,
    "commands": Hello,
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A corpus's folder: ``one.wav``, ``two.wav`` and ``zero.wav``."""
    folder = tmp_path_factory.mktemp("recordings")
    for name in ("one", "two", "zero"):
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(bytes(1600))
    return folder


def outcome(subject, name):
    return next(each.outcome() for each in bind(subject) if each.name == name)


@pytest.mark.parametrize("kind", MODULES)
def test_a_sound_plugin_passes(kind, recordings):
    outcomes = run_checks(Subject(SOUND[kind], folder=recordings))
    assert {each.check for each in outcomes} == set(checks(kind))
    assert [each for each in outcomes if each.status not in ("ok", "skipped")] == []
    assert "ok" in {each.status for each in outcomes}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, broken in MUTANTS.items() for name in broken])
def test_a_broken_plugin_fails_the_check_that_is_for_it(kind, name, recordings):
    found = outcome(Subject(MUTANTS[kind][name], folder=recordings), name)
    assert found.status == "failed", found
    assert found.why


@pytest.mark.parametrize("kind", MODULES)
def test_every_check_has_a_plugin_that_fails_it(kind):
    common = set(checks("features")) & set(checks("tokenizers")) - set(MUTANTS["features"])
    assert set(checks(kind)) - common - {"expected_failures_are_real", "name_is_a_word"} <= {*MUTANTS[kind], WARNING}
    assert common - {WARNING} <= set(MUTANTS["encoders"])


SMALL = DeepSpeechConfig(kernels=12, size=6, layers=2)
VARIANTS = [dataclasses.replace(SMALL, rnn="gru", stride=2), dataclasses.replace(SMALL, rnn="rnn", bidirectional=False)]


@parametrize_with_checks([Subject(DeepSpeech, each) for each in (SMALL, *VARIANTS)])
def test_our_encoder(check):
    check()


@pytest.mark.parametrize("kind", [kind for kind in MODULES if kind != "encoders"])
def test_everything_of_ours_passes(kind):
    for name in plugins.load().names(kind):
        failed = [each for each in run_checks(plugins.load().get(kind, name)) if each.status in ("failed", "warned")]
        assert failed == [], name


class Noisy(Convolution):
    """Says that it fails a check, and which."""

    expected_failures: ClassVar[dict[str, str]] = {"eval_is_deterministic": "noise is the point"}

    def forward(self, frames, lengths):
        import torch

        output, lengths = super().forward(frames, lengths)
        return output + 1e-6 * torch.rand(output.shape), lengths


class Quiet(Convolution):
    """Says that it fails a check, and does not."""

    expected_failures: ClassVar[dict[str, str]] = {"eval_is_deterministic": "noise is the point"}


def test_expected_failures_carry_their_reason_and_must_fail():
    assert outcome(Noisy, "eval_is_deterministic") == Outcome("eval_is_deterministic", "expected", "noise is the point")
    found = outcome(Quiet, "eval_is_deterministic")
    assert found.status == "failed"
    assert "expected to fail (noise is the point) and did not" in found.why


def test_pytest_sees_expected_failures_as_strict():
    parameters = parametrize_with_checks([Noisy]).mark.args[1]
    marks = {each.id: [mark.kwargs for mark in each.marks] for each in parameters}
    assert marks.pop("Noisy-eval_is_deterministic") == [{"reason": "noise is the point", "strict": True}]
    assert set(map(len, marks.values())) == {0}
    assert len(marks) == len(checks("encoders")) - 1


def test_a_heavy_module_is_warned_of(tmp_path, monkeypatch):
    """An entry point whose module imports numpy costs every command its time."""
    from tests.plugin_packages import ENCODER, HEAD, install

    monkeypatch.syspath_prepend(str(install(tmp_path, "heavy", ENCODER.format(name="heavy"), "import numpy\n" + HEAD)))
    registry = plugins.Registry()
    monkeypatch.setattr(plugins, "load", lambda: registry)
    heavy = registry.get("encoders", "heavy")
    found = outcome(heavy, WARNING)
    assert found == Outcome(WARNING, "warned", "importing 'toy_heavy' imports numpy; import them inside the hooks")
    with pytest.warns(UserWarning, match="encoder 'heavy': importing 'toy_heavy'"):
        next(each for each in bind(heavy) if each.name == WARNING)()


@pytest.mark.parametrize("name", ["yesno", "an4", "fsdd"])
def test_our_corpora_pass_with_real_speech(name, corpora):
    outcomes = run_checks(Subject(plugins.load().get("corpora", name), folder=corpora / name))
    assert [each for each in outcomes if each.status not in ("ok", "skipped")] == []
    assert [each.check for each in outcomes if each.status == "skipped"] == ["texts_are_disjoint"]


def test_what_is_no_plugin_is_refused():
    with pytest.raises(PluginError, match="plugin 'int': is no plugin class; expected a subclass of one of Features"):
        run_checks(int)
