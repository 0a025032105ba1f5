"""A toy recogniser for the tests of commands that decode; plugins for those of commands that show and check them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from dstoolkit import plugins
from tests import toy
from tests.conftest import Command
from tests.plugin_packages import entry_points, install


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy recogniser in ``exp`` that gets most words right, its data, and ``lm.arpa``: its words, each as likely."""
    from dstoolkit.pipeline.experiment import load
    from dstoolkit.training import setup

    folder = toy.make(tmp_path_factory.mktemp("toys"))
    sources = setup.Sources(folder / "train", folder / "dev", folder / "tokenizer")
    setup.train(folder / "exp", load(folder / "train.yaml", ["train.epochs=12"]), sources, "cpu")
    rows = ["-2.0\t<unk>", "-99\t<s>", "-0.5\t</s>", *(f"-0.9\t{word}" for word in toy.WORDS)]
    arpa = ["\\data\\", f"ngram 1={len(rows)}", "", "\\1-grams:", *rows, "", "\\end\\", ""]
    (folder / "lm.arpa").write_text("\n".join(arpa))
    return folder


TONES = """
features: {name: fbank, num_mel_bins: 24}
encoder: {name: deepspeech, kernels: 64, size: 48, layers: 1, dropout: 0}
augment: {frequency_masks: 0, time_masks_per_second: 0, stretch: 0}
train: {epochs: 10, batch_seconds: 8, lr: 0.01, ema: 0.9}
"""


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recurrent recogniser of tones (``dstoolkit.testing.corpus``, 8000 Hz) in ``exp`` that gets most words right,
    ``data/test`` with its features, and the recordings in ``audio``: in more noise than the corpus has, and in
    different amounts, so that what codecs make of noise changes no word."""
    import numpy as np
    import soundfile

    from dstoolkit.pipeline.experiment import load
    from dstoolkit.testing import corpus
    from dstoolkit.training import setup

    folder = tmp_path_factory.mktemp("tones")
    data = corpus.write(folder)
    rng = np.random.default_rng(0)
    for path in sorted((folder / "audio").iterdir()):
        samples, rate = soundfile.read(path)
        soundfile.write(path, samples + rng.normal(0, 10 ** rng.uniform(-3, -1.7), len(samples)), rate)
    (folder / "train.yaml").write_text(TONES)
    dstoolkit = Command()
    dstoolkit("features", "extract", *data.values(), "--config", folder / "train.yaml")
    dstoolkit("tokenizer", "train", data["train"] / "text", folder / "tokenizer", "--config", folder / "train.yaml")
    sources = setup.Sources(data["train"], data["dev"], folder / "tokenizer")
    setup.train(folder / "exp", load(folder / "train.yaml"), sources, "cpu")
    return folder


@pytest.fixture
def dev(toys: Path, tmp_path: Path) -> Path:
    """A copy of the toys' dev set, to be altered."""
    return Path(shutil.copytree(toys / "dev", tmp_path / "dev"))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """``installed(one=source)`` installs plugins beside the built-ins for this test's commands."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(**sources):
        for name, source in sources.items():
            install(tmp_path, name, source)
            monkeypatch.delitem(sys.modules, f"toy_{name}", raising=False)
        ours = [each for each in plugins.metadata.entry_points(group="dstoolkit") if each.name == "builtins"]
        registry = plugins.Registry([*ours, *entry_points(tmp_path)])
        monkeypatch.setattr(plugins, "load", lambda: registry)

    return make
