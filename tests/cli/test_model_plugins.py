"""A bundle of a model whose encoder is a plugin's, in processes that have the plugin, another version, or none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests import plugin_packages, toy
from tests.conftest import ROOT

LINEAR = """
@hookimpl
def dstoolkit_register_encoders():
    import dataclasses
    import torch
    from dstoolkit.interfaces import Encoder

    class Linear(Encoder, torch.nn.Module):
        '''One layer.'''
        name = "linear"
        Config = dataclasses.make_dataclass("Config", [("size", int, {size})], frozen=True)

        def __init__(self, config, input_dim):
            torch.nn.Module.__init__(self)
            self.output_dim = {size}
            self.layer = torch.nn.Linear(input_dim, {size})

        def forward(self, frames, lengths):
            return torch.relu(self.layer(frames)), lengths

        def output_lengths(self, lengths):
            return lengths

    return [Linear]
"""
OLD = """
@hookimpl
def dstoolkit_register_encoders():
    return []
"""
RUN = """
import json, sys
from dstoolkit.cli import main
statuses = [0]
for words in json.loads(sys.argv[1]):
    try:
        main.main(words)
    except SystemExit as end:
        statuses.append(end.code or 0)
sys.exit(max(statuses))
"""


def run(folder: Path, plugin: Path | None, *commands: list[object]) -> subprocess.CompletedProcess[str]:
    """The commands in one new process, which finds the plugin's folder or none; its exit status is the highest."""
    path = os.pathsep.join(str(each) for each in (plugin, ROOT) if each)
    words = json.dumps([[str(each) for each in command] for command in commands])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-c", RUN, words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``linear.dstk``, trained and packed where the distribution ``toy-linear`` 1.5 was."""
    folder = toy.make(tmp_path_factory.mktemp("linear"))
    plugin = plugin_packages.install(folder / "with", "linear", LINEAR.format(size=20))
    config = (folder / "train.yaml").read_text().splitlines()
    lines = ["encoder: {name: linear}" if each.startswith("encoder") else each for each in config]
    (folder / "train.yaml").write_text("\n".join(lines))
    soundfile.write(folder / "noise.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 8000)
    train = toy.arguments(folder, folder / "exp", "--set", "train.epochs=1")
    pack: list[object] = ["model", "pack", "exp", "--out", "linear.dstk", "--licence", "CC0-1.0"]
    done = run(folder, plugin, train, pack, ["transcribe", "linear.dstk", "noise.wav", "--out", "there.txt"])
    assert done.returncode == 0, done.stderr
    return folder / "linear.dstk"


def test_without_the_plugin_it_says_what_to_install(packed: Path) -> None:
    commands = [["transcribe", packed, "noise.wav"], ["model", "verify", packed], ["model", "show", packed]]
    done = run(packed.parent, None, *commands)
    assert done.returncode == 2
    needs = "needs encoder 'linear' of 'toy-linear' 1.5; which is not installed"
    assert done.stderr.splitlines() == [f"dstoolkit: {packed}: {needs}; pip install 'toy-linear>=1.5'"] * 2
    assert done.stdout.startswith("exp, packed by")  # of 'show' alone
    assert "toy-linear 1.5 (encoders: linear)" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "version", "status", "says"),
    [
        (LINEAR.format(size=20), "1.6", 0, "note: packed with toy-linear 1.5, here is toy-linear 1.6"),
        (LINEAR.format(size=21), "2.0", 2, "install what it was packed with: pip install 'dstoolkit=="),
        (OLD, "1.4", 2, "version 1.4 here does not have it; pip install 'toy-linear>=1.5'"),
        ("raise ImportError('no such thing')", "1.5", 2, "which is failed: "),
    ],
    ids=["newer", "other sizes", "older", "broken"],
)
def test_another_version(packed: Path, tmp_path: Path, source: str, version: str, status: int, says: Any) -> None:
    plugin = plugin_packages.install(tmp_path / "other", "linear", source, version=version)
    done = run(packed.parent, plugin, ["model", "verify", packed])
    assert done.returncode == status, done.stderr
    assert says in done.stdout + done.stderr
