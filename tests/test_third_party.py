"""A stranger's package, installed by pip into an empty environment, is listed, and its encoder trained, by name.

The environment is that of ``tests.environment``; nothing is fetched.
"""

from __future__ import annotations

import inspect
import re
import shutil
import textwrap
from pathlib import Path

import pytest

from dstoolkit import interfaces
from dstoolkit.testing import corpus
from tests.environment import Environment

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
# Our packages, what each provides, and why tests of the contract kit may be skipped in them.
PACKAGES = {
    "quartz": ({"encoders": ["quartz"]}, set()),
    "kur": ({"commands": ["evaluate", "kur", "test"]}, set()),
    "gammatone": ({"features": ["gammatone"], "augmentations": ["filter_augment"]}, {"reads audio"}),
}

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
    run.extras["seen"], run.extras["steps"] = [], []

@hookimpl
def dstoolkit_step_end(run, losses):
    assert list(losses) == ["batch_loss"] and 0 < losses["batch_loss"] < 100
    run.extras["steps"].append(run.step)

@hookimpl
def dstoolkit_epoch_end(run, metrics):
    run.extras["seen"].append(metrics["epoch"])

@hookimpl
def dstoolkit_train_end(run, metrics):
    assert run.extras["steps"] == list(range(1, metrics["step"] + 1))
    (run.folder / "seen.txt").write_text(f"{run.extras['seen']} {type(run.optimizer).__name__}")
"""

CONFIG = """
features: {name: fbank, num_mel_bins: 16}
encoder: {name: dense, size: 24}
train: {epochs: 1, batch_seconds: 10, optimizer: {name: strange_sgd}}
"""


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


def test_every_package_of_ours_is_tested() -> None:
    assert {f"dstoolkit-{name}" for name in PACKAGES} == {
        path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")
    }


@pytest.mark.parametrize("name", PACKAGES)
def test_our_package_installs_by_itself_and_passes_its_tests(
    tmp_path: Path, environment: Environment, name: str
) -> None:
    provides, reasons = PACKAGES[name]
    unbuilt = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", ".*")
    place = f"plugins/dstoolkit-{name}"
    project = shutil.copytree(ROOT / place, tmp_path / place, ignore=unbuilt)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")  # which a package's tests may compare with its options
    environment.install(project)
    assert environment.plugins()[name]["provides"] == provides
    told = environment.run("-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", project / "tests")
    assert re.search(r"\d{2} passed", told)
    assert set(re.findall(r"^SKIPPED \[\d+\] \S+ (.*)$", told, re.MULTILINE)) == reasons
    assert ("skipped" in told) == bool(reasons)


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
