"""A stranger's package, installed by pip into an empty environment, is listed, and its encoder trained, by name.

The environment is a fresh virtual one, empty but for a line that makes the packages of the running interpreter
importable (torch is not installed again). Nothing is fetched: ``--no-index --no-deps --no-build-isolation``.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import site
import subprocess
import sysconfig
import textwrap
import venv
from pathlib import Path

import pytest

from dstoolkit import interfaces
from dstoolkit.testing import corpus

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
QUARTZ = ROOT / "plugins" / "dstoolkit-quartz"

PROJECT = """
[build-system]
requires = ["setuptools>=68"]
build-backend = "setuptools.build_meta"
[project]
name = "stranger"
version = "2.7"
[project.entry-points.dstoolkit]
strange = "my_package.plugin"
[tool.setuptools]
packages = ["my_package"]
"""

# Besides the encoder of the page of interfaces, the stranger chooses an optimizer and watches the training.
MORE = """
@hookimpl
def dstoolkit_make_optimizer(settings, parameters):
    if settings["name"] == "strange_sgd":
        import torch
        return torch.optim.SGD(parameters, lr=settings["lr"])

@hookimpl
def dstoolkit_train_start(run):
    run.extras["seen"] = []

@hookimpl
def dstoolkit_epoch_end(run, metrics):
    run.extras["seen"].append(metrics["epoch"])

@hookimpl
def dstoolkit_train_end(run, metrics):
    (run.folder / "seen.txt").write_text(f"{run.extras['seen']} {type(run.optimizer).__name__}")
"""

CONFIG = """
features: {name: fbank, num_mel_bins: 16}
encoder: {name: dense, size: 24}
train: {epochs: 1, batch_seconds: 10, optimizer: {name: strange_sgd}}
"""


class Environment:
    """An environment that has its own ``site-packages`` in front of those of the running interpreter."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        own = Path(self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        shared = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
        lines = [f"import site; site.addsitedir({path!r})\n" for path in sorted(shared)]
        (own / "shared.pth").write_text("".join(lines))

    def run(self, *words: object, status: int = 0) -> str:
        """The output of ``python WORDS``."""
        command = [str(self.python), *map(str, words)]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PIP_"))}
        done = subprocess.run(
            command, env={**environment, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, cwd=self.python.parent
        )
        assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def install(self, project: Path) -> None:
        self.run("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", project)

    def dstoolkit(self, *words: object, status: int = 0) -> str:
        return self.run("-m", "dstoolkit", *words, status=status)

    def plugins(self) -> dict[str, dict[str, object]]:
        return {each["name"]: each for each in json.loads(self.dstoolkit("plugins", "list", "--json"))["plugins"]}


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    pytest.importorskip("setuptools")
    return Environment(tmp_path / "environment")


def write_stranger(folder: Path) -> Path:
    """The package that the docstring of ``interfaces`` shows, with two more hooks."""
    code = re.findall(r"^    .*$|^$", inspect.getdoc(interfaces) or "", re.MULTILINE)
    parts = re.split(r"^# (my_package/\w+\.py).*$", textwrap.dedent("\n".join(code)), flags=re.MULTILINE)
    for path, source in zip(parts[1::2], parts[2::2], strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(source + (MORE if path.endswith("plugin.py") else ""))
    (folder / "pyproject.toml").write_text(PROJECT)
    return folder


def test_a_strangers_encoder_trains_by_name(tmp_path: Path, environment: Environment) -> None:
    assert "strange" not in environment.plugins()
    environment.install(write_stranger(tmp_path / "stranger"))
    found = environment.plugins()["strange"]
    assert (found["distribution"], found["version"], found["status"]) == ("stranger", "2.7", "ok")
    assert found["provides"] == {"encoders": ["dense"]}
    assert "failed" not in environment.dstoolkit("plugins", "check", "dense")

    folders = corpus.write(tmp_path / "tones", {"train": 20, "dev": 4})
    (tmp_path / "train.yaml").write_text(CONFIG)
    config = ["--config", tmp_path / "train.yaml"]
    environment.dstoolkit("features", "extract", *folders.values(), *config)
    environment.dstoolkit("tokenizer", "train", folders["train"] / "text", tmp_path / "tokenizer", *config)
    sources = ["--train", folders["train"], "--dev", folders["dev"], "--tokenizer", tmp_path / "tokenizer"]
    environment.dstoolkit("train", tmp_path / "exp", *config, *sources)

    assert (tmp_path / "exp" / "seen.txt").read_text() == "[1] SGD"
    chosen = "import torch; print(torch.load('{}', weights_only=True)['config']['encoder'])"
    saved = environment.run("-c", chosen.format(tmp_path / "exp" / "best.pt"))
    assert saved.strip() == "{'name': 'dense', 'size': 24}"
    decoded = environment.dstoolkit("decode", tmp_path / "exp", folders["dev"], "--out", tmp_path / "decoded")
    assert decoded
    assert len((tmp_path / "decoded" / "text").read_text().splitlines()) == 4

    environment.run("-m", "pip", "uninstall", "--quiet", "--yes", "stranger")
    refused = environment.dstoolkit("plugins", "check", "dense", status=2)
    assert not refused


def test_the_example_package_installs_by_itself_and_passes_its_tests(tmp_path: Path, environment: Environment) -> None:
    unbuilt = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", ".*")
    project = shutil.copytree(QUARTZ, tmp_path / "project", ignore=unbuilt)
    environment.install(project)
    assert environment.plugins()["quartz"]["provides"] == {"encoders": ["quartz"]}
    told = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", project / "tests")
    assert re.search(r"\d{2} passed", told)
    assert "skipped" not in told


def test_help_stays_fast_with_the_package_installed(tmp_path: Path, environment: Environment) -> None:
    """Not timed: what would make it slow is not imported."""
    environment.install(write_stranger(tmp_path / "stranger"))
    probe = textwrap.dedent("""
        import sys
        from dstoolkit.cli import main
        try:
            main.main(["--help"])
        finally:
            heavy = [name for name in ("torch", "numba", "numpy") if name in sys.modules]
            print(heavy, "my_package.plugin" in sys.modules)
    """)
    assert environment.run("-c", probe).splitlines()[-1] == "[] True"
