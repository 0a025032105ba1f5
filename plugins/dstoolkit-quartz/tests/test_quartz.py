"""The contract kit on two sizes, the paper's parameter counts, and what the layers must do."""

from __future__ import annotations

import pytest
import torch
from dstoolkit_quartz.encoder import Quartz, QuartzConfig

from dstoolkit import config, plugins
from dstoolkit.errors import ConfigError
from dstoolkit.testing import Subject, parametrize_with_checks

SMALL = QuartzConfig(repeats=1, modules=2, width=0.125, stride=4)


@parametrize_with_checks([Subject(Quartz, SMALL), Subject(Quartz, QuartzConfig(width=0.0625, modules=1, stride=1))])
def test_contract(check):
    check()


@pytest.mark.parametrize(("repeats", "millions"), [(1, 6.7), (2, 12.8), (3, 18.9)])
def test_parameter_counts_are_those_of_table_1(repeats, millions):
    """64 features in, 29 labels out (28 characters and the blank), as the paper counts."""
    with torch.device("meta"):
        encoder = Quartz(QuartzConfig(repeats=repeats), 64)
        dense = torch.nn.Linear(encoder.output_dim, 29)
    count = sum(each.numel() for part in (encoder, dense) for each in part.parameters())
    assert round(count / 1e6, 1) == millions


def test_receptive_field_is_local():
    """A change of the last frame reaches no output further away than half the kernels' sum."""
    torch.manual_seed(0)
    encoder = Quartz(QuartzConfig(modules=1, width=0.0625, stride=1, dropout=0), 8).eval()
    frames = torch.randn(1, 400, 8)
    other = frames.clone()
    other[0, -1] += 1
    lengths = torch.tensor([400])
    reach = (33 + 33 + 39 + 51 + 63 + 75) // 2 + 87 // 2 * 2
    changed = (encoder(frames, lengths)[0] != encoder(other, lengths)[0]).any(dim=2)[0].nonzero()[:, 0]
    assert changed.max() == 399
    assert 399 - changed.min() <= reach


def test_installed_under_its_name():
    assert plugins.load().get("encoders", "quartz") is Quartz


@pytest.mark.parametrize("options", [{"repeats": 0}, {"width": 0.001}, {"dropout": 1.0}, {"stride": 0}])
def test_senseless_options_are_refused(options):
    with pytest.raises(ConfigError, match=f"encoder: {next(iter(options))} is"):
        config.build(QuartzConfig, options, "encoder")
