"""Options of ``settings``, ``train``, ``test`` and ``evaluate``: what differs in the experiment where one of them does.

``provider``, ``hooks`` and the data have tests of their own.
"""

from __future__ import annotations

import dataclasses
import json

import pytest
from dstoolkit_kur import hooks, observing, optimizer, sections, training, using, weights
from dstoolkit_kur.aims import Aim
from dstoolkit_kur.supplier import Data

from dstoolkit import config
from dstoolkit.errors import ConfigError

SECTIONS = {"features": "spectrogram", "tokenizer": {"name": "characters", "characters": "abcdefg "}}


def came_to(kurfile, tmp_path):
    """The experiment's options, flat."""
    made = config.plain(training.experiment(kurfile, Data(tmp_path, tmp_path, SECTIONS, 0.0, 0), Aim(2)))
    options = made["train"]
    rest = {key: options[key] for key in ("lr", "clip", "clip_value", "scheduler")}
    return {"seed": made["seed"], **options["optimizer"], **rest}


def test_the_seed(kurfile, tmp_path):
    assert came_to(kurfile(), tmp_path)["seed"] == 3
    assert came_to(kurfile("", ("seed: 3", "seed: 4")), tmp_path)["seed"] == 4
    assert came_to(kurfile("", ("  seed: 3\n", "")), tmp_path)["seed"] == 0


@pytest.mark.parametrize(
    ("backend", "asked", "device"),
    [
        ("{device: cpu}", "auto", "cpu"),
        ("{name: keras, device: gpu1}", "auto", "cuda:1"),
        ("{device: gpu}", "cpu", "cpu"),
        ("{name: pytorch}", "auto", "auto"),
    ],
)
def test_the_device(kurfile, monkeypatch, backend, asked, device):
    """The command's goes first; ``auto`` is the best there is."""
    monkeypatch.setattr(training, "best_device", lambda name: name)
    found = kurfile("", ("settings:\n", f"settings:\n  backend: {backend}\n"))
    assert training.device_of(found, asked) == device


# The option -> its value, another, and the experiment's option that follows.
OPTIMIZERS = {
    ("adam", "learning_rate"): (0.1, 0.2, "lr"),
    ("adam", "decay"): (0.1, 0.2, "scheduler"),
    ("adam", "clip"): ("{norm: 1}", "{norm: 2}", "clip"),
    ("sgd", "learning_rate"): (0.1, 0.2, "lr"),
    ("sgd", "decay"): (0.1, 0, "scheduler"),
    ("sgd", "clip"): ("{abs: 1}", "{abs: 2}", "clip_value"),
    ("sgd", "momentum"): (0.1, 0.2, "momentum"),
    ("sgd", "nesterov"): ("no, momentum: 0.5", "yes, momentum: 0.5", "nesterov"),
    ("rmsprop", "learning_rate"): (0.1, 0.2, "lr"),
    ("rmsprop", "decay"): (0.1, 0.2, "scheduler"),
    ("rmsprop", "clip"): ("{norm: 1}", "null", "clip"),
    ("rmsprop", "rho"): (0.8, 0.7, "alpha"),
    ("rmsprop", "epsilon"): ("1e-6", "1e-7", "eps"),
    ("adadelta", "learning_rate"): (0.1, 0.2, "lr"),
    ("adadelta", "decay"): (0.1, 0.2, "scheduler"),
    ("adadelta", "clip"): ("{abs: 1}", "null", "clip_value"),
    ("adadelta", "rho"): (0.8, 0.7, "rho"),
    ("adadelta", "epsilon"): ("1e-6", "1e-7", "eps"),
}


@pytest.mark.parametrize(("name", "option"), OPTIMIZERS)
def test_an_option_of_an_optimizer(kurfile, tmp_path, name, option):
    *values, follows = OPTIMIZERS[name, option]
    one, other = (came_to(kurfile(f"optimizer: {{name: {name}, {option}: {value}}}"), tmp_path) for value in values)
    assert {key for key in one if one[key] != other[key]} == {follows}


def test_no_option_of_an_optimizer_is_missing():
    known = {(name, each.name) for name, kind in optimizer.KINDS.items() for each in dataclasses.fields(kind)}
    assert known == OPTIMIZERS.keys()


def test_the_log(kurfile, tmp_path):
    """Where ``metrics.jsonl`` is copied to."""
    for text in ("log: a/b", "log: {path: a/b}"):
        (log,) = training.watch(kurfile(text)).keepers
        assert isinstance(log, observing.Log)
        assert log.path == tmp_path / "a/b"
    assert training.watch(kurfile("log:")).keepers == []


@pytest.mark.parametrize("name", ["test", "evaluate"])
def test_the_weights_that_are_used(kurfile, tmp_path, name):
    places = training.Places(tmp_path / "data", tmp_path / "exp")

    def used(said=""):
        found = kurfile("", (f"{name}:\n", f"{name}:\n  {said}\n")) if said else kurfile()
        return using.weights_of(found, sections.needed(found, name), places)

    (tmp_path / "w").write_bytes(b"")
    assert used() == "best.pt"
    assert used("weights: w") == used("weights: {initial: w}") == str(tmp_path / "w")
    with pytest.raises(
        ConfigError, match=rf"{name}\.weights: no file '.*gone'; expected weights; run 'dstoolkit train"
    ):
        used("weights: gone")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match=r"'.*folder' is a folder; expected a file that dstoolkit wrote"):
        used("weights: folder")


def test_the_weights_that_are_kept(kurfile, tmp_path):
    said = "weights: {initial: a, best: b, last: c}"
    keepers = training.watch(kurfile(said, ("validate:\n", "validate:\n  weights: {best: v}\n"))).keepers
    assert keepers == [
        training.Best(tmp_path / "v", "dev_loss"),
        training.Best(tmp_path / "b", "train_loss"),
        training.Latest(tmp_path / "c"),
    ]
    assert training.watch(kurfile("weights: w")).keepers == [training.Best(tmp_path / "w", "train_loss")]
    assert weights.of_training(kurfile(said).section("train"), None).initial == "a"


@pytest.mark.parametrize(("said", "content"), [("destination: out.json", True), ("destination:", False)])
def test_the_destination(kurfile, tmp_path, said, content):
    found = kurfile("", ("destination: {path: out.json}", said)).section("evaluate")
    for each in hooks.destination(found):
        each.predicted({"u": ("a", "b")})
    rows = json.loads((tmp_path / "out.json").read_text()) if (tmp_path / "out.json").exists() else []
    assert rows == ([{"utterance": "u", "prediction": "b", "truth": "a"}] if content else [])
