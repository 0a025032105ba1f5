"""A toy recogniser for the tests of commands that decode; plugins for those of commands that show and check them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from dstoolkit import plugins
from tests import toy
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
