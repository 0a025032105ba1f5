"""Augmentations by name: each at its stage, in their order, refused and looked at."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dstoolkit import config, plugins
from dstoolkit.config import Choice
from dstoolkit.data import datadir
from dstoolkit.data.archive import Archive
from dstoolkit.errors import ConfigError, PluginError
from dstoolkit.features.augment import Augment
from dstoolkit.features.cmvn import Cmvn
from dstoolkit.interfaces import Augmentation
from dstoolkit.pipeline import augmentations, experiment, extraction, heard
from dstoolkit.testing import corpus
from dstoolkit.training import setup
from tests.testing.sound import Config

OFF = {"frequency_masks": 0, "time_masks_per_second": 0.0, "stretch": 0.0}
CMVN = Cmvn("none")


class Louder(Augmentation):
    """Adds a number, or doubles audio."""

    name = "louder"
    Config = Config

    def __init__(self, config, features, sample_rate):
        self.config = config

    def __call__(self, values, rng):
        return values * 2 if self.stage == "audio" else values + np.float32(self.config.size)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = corpus.write(tmp_path_factory.mktemp("tones"), {"train": 3})["train"]
    extraction.extract(folder, Choice("fbank", {"num_mel_bins": 20}), extraction.Options())
    assert datadir.read_text(folder / "text")
    return folder


@pytest.fixture
def offered(monkeypatch):
    """``offered(attribute=value)`` registers ``louder``, so altered, beside ours."""
    real = plugins.load().get

    def offer(**attributes):
        changed = type("Changed", (Louder,), attributes)
        monkeypatch.setattr(
            plugins.load(), "get", lambda kind, name, where="": changed if name == "louder" else real(kind, name, where)
        )

    return offer


def source(data, *chosen, **options):
    augment = config.build(Augment, {**OFF, **options, "plugins": list(chosen)}, "x.yaml: augment")
    return heard.source(Archive(data / "features.h5"), data, CMVN, augment)


def views(found):
    rng = np.random.default_rng(0)
    return found.views(0, rng, found.draw(np.asarray([0]), rng), 0, 2)[0]


def frames(found, seed=0):
    return found.frames(0, np.random.default_rng(seed))[0]


def test_ours_is_called_by_its_options(data):
    plain = frames(source(data))
    changed = frames(source(data, {"name": "spec_sub", "per_second": 5.0}))
    assert changed.shape == plain.shape
    rows = {each.tobytes() for each in plain}
    assert all(each.tobytes() in rows for each in changed)
    assert not np.array_equal(changed, plain)
    assert np.array_equal(frames(source(data, {"name": "spec_sub", "width": 0.0})), plain)


def test_each_stage_has_its_place(data, offered):
    """Masks hide what was done to frames, and not what is done to normalised ones; audio is extracted anew."""
    plain = frames(source(data))
    masks = {"frequency_masks": 40, "frequency_width": 20}
    offered(stage="frames")
    np.testing.assert_allclose(frames(source(data, "louder")), plain + 6)
    assert set(np.unique(frames(source(data, "louder", **masks)))) == {0.0}
    offered(stage="normalised")
    assert set(np.unique(frames(source(data, "louder", **masks)))) == {6.0}
    offered(stage="audio")
    louder = frames(source(data, "louder"))
    np.testing.assert_allclose(louder, plain + np.log(4), atol=0.02)


def test_they_are_called_in_their_order(data, offered):
    offered(__call__=lambda self, values, rng: values * np.float32(self.config.size) + 1)
    plain = frames(source(data))
    twice = frames(source(data, {"name": "louder", "size": 2}, {"name": "louder", "size": 3}))
    np.testing.assert_allclose(twice, (plain * 2 + 1) * 3 + 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda self, values, rng: values[:0], r"gave \(0, 20\) float32 for \(\d+, 20\) float32; expected an array"),
        (lambda self, values, rng: values[:, 1:], r"gave \(\d+, 19\) float32 for"),
        (lambda self, values, rng: values.astype(float), "float64 for"),
        (lambda self, values, rng: None, "gave NoneType"),
        (lambda self, values, rng: values[99999, 0], "failed: IndexError"),
    ],
)
def test_what_cannot_be_used_names_the_plugin(data, offered, change, why):
    offered(__call__=change)
    with pytest.raises(PluginError, match=rf"^x.yaml: augment.plugins\[0\]: augmentation 'louder': .*{why}"):
        frames(source(data, "louder"))


def test_strangers_and_their_options_are_refused_at_their_place(data, offered):
    with pytest.raises(PluginError, match=r"^x.yaml: augment.plugins\[1\]: no augmentation 'swap' \(have: spec_sub\)"):
        source(data, "spec_sub", "swap")
    wanted = r"^x.yaml: augment.plugins\[0\].widht: no such option; did you mean 'width'\?"
    with pytest.raises(ConfigError, match=wanted):
        source(data, {"name": "spec_sub", "widht": 1.0})
    offered(of_features=("mfcc",))
    with pytest.raises(ConfigError, match=r"augmentation 'louder' is for features 'mfcc'; '.*' has others"):
        source(data, "louder")
    offered(stage="spectrum")
    with pytest.raises(PluginError, match="augmentation 'louder' is of stage 'spectrum'; expected one of audio"):
        source(data, "louder")


def test_options_and_files_are_part_of_the_stamp(data, offered, tmp_path):
    offered(inputs=classmethod(lambda cls, config: {"codecs": tmp_path}))
    sources = setup.Sources(data, data, data / "text")
    made = [
        setup.made_from(experiment.from_plain({"augment": {"plugins": chosen}}, "x.yaml"), sources)
        for chosen in ([], ["louder"], [{"name": "louder", "size": 3}])
    ]
    assert made[1].config["augment"]["plugins"] == [{"name": "louder"}]
    assert made[2].config["augment"]["plugins"] == [{"name": "louder", "size": 3}]
    assert "augment/louder.codecs" in made[1].inputs
    assert "augment/louder.codecs" not in made[0].inputs
    assert augmentations.inputs([Choice("spec_sub")]) == {}


@pytest.mark.parametrize("stage", ["frames", "normalised"])
def test_two_views_want_augmentations_that_leave_times_alone(data, offered, stage):
    offered(stage=stage)
    first, second = views(source(data, "louder"))
    assert np.array_equal(first, second)
    offered(stage=stage, __call__=lambda self, values, rng: values[: len(values) - rng.integers(20)])
    wanted = "train.consistency: one of augment.plugins changes the number of frames; two views are of the same times"
    with pytest.raises(ConfigError, match=re.escape(wanted)):
        views(source(data, "louder", stretch=0.1))
