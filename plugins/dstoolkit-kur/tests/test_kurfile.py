"""Whole Kurfiles: sections, settings that refer to each other, the backend, and the dump, which reads as itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dstoolkit_kur.kurfile import Kurfile
from dstoolkit_kur.settings import Backend

from dstoolkit.errors import ConfigError

SPEECH = Path(__file__).parent / "speech.yml"


def test_sections_are_evaluated_and_found_by_their_aliases():
    kurfile = Kurfile.load(SPEECH)
    assert kurfile.path == SPEECH
    assert kurfile.files == (SPEECH,)
    data = {"max_duration": 50, "type": "spec", "vocab": [*"abcde"], "path": "speech.yml.d"}
    assert kurfile.section("training").value == {
        "data": [{"speech_recognition": data}],
        "epochs": 2,
        "provider": {"batch_size": 4},
        "optimizer": {"name": "sgd", "learning_rate": 2e-4},
    }
    assert kurfile.section("test").value == {
        "data": [{"speech_recognition": {**data, "samples": 4}}],
        "provider": {"batch_size": 2},
        "hooks": ["transcript"],
    }
    assert kurfile.section("validate") is None
    assert kurfile.settings.get("rnn").value == {"size": 8, "depth": 2}


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_the_dump_reads_as_itself(write, form):
    kurfile = Kurfile.load(SPEECH)
    text = kurfile.dump(form)
    again = Kurfile.load(write(text, f"dump.{form}"))
    assert again.dump("json") == kurfile.dump("json")
    recurrent = {"recurrent": {"size": 8, "sequence": True}}
    layers = json.loads(again.dump("json"))["model"]
    assert layers[4:8] == [recurrent, {"batch_normalization": None}] * 2
    assert layers[8] == {"parallel": {"apply": [{"dense": 6}]}}


def test_words_that_look_like_other_values_survive_a_dump(write):
    words = ["yes", "1:30", "010", "2e-4", "~", "", "2020-01-01", "'16'", "a: b", "#", "<<", " x ", "é\n\t", ".inf"]
    path = write(json.dumps({"settings": {"words": words, "on": 1}}), "k.json")
    again = Kurfile.load(write(Kurfile.load(path).dump()))
    assert again.settings.value == {"words": words, "on": 1}


def test_settings_refer_to_each_other_in_any_order(write):
    text = 'settings:\n  total: "{{ part.b * 2 }}"\n  part: {a: 3, b: "{{ part.a + 1 }}"}\n  copy: "{{ part }}"\n'
    expected = {"total": 8, "part": {"a": 3, "b": 4}, "copy": {"a": 3, "b": 4}}
    assert Kurfile.load(write(text)).settings.value == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'settings:\n  a: "{{ b }}"\n  b: "{{ a + 1 }}"\n',
            ":2: settings.a: a setting that refers to itself; a -> b -> a",
        ),
        ('settings:\n  a: {b: "{{ a }}"}\n', ":2: settings.a.b: a setting that refers to itself; a.b -> a.b"),
        (
            'settings:\n  size: 1\ntrain:\n  epochs: "{{ sise }}"\n',
            ":4: train.epochs: in '{{ sise }}': no variable 'sise'; did you",
        ),
        ("settings:\n  backend: {name: kerras}\n", ":2: settings.backend.name: 'kerras'; did you mean 'keras'?"),
        ("settings:\n  backend:\n    device: gpuu\n", ":3: settings.backend.device: 'gpuu'; expected 'cpu', 'gpu'"),
        ("settings:\n  backend:\n    parallel: 0\n", ":3: settings.backend.parallel: 0; expected how many GPUs"),
        ("settings:\n  seed: x\n", ":2: settings.seed: 'x'; expected a whole number"),
        ("settings: 3\n", ":1: settings: 3; expected variables"),
        ("a: 1\n", ":1: a: no such section; expected one of: settings, train"),
        ("model: []\ntrian: {}\n", ":2: trian: no such section; did you mean 'train'?"),
        ("train: {}\ntraining: {}\n", ":2: training: 'train' again; the first is on line 1"),
    ],
)
def test_refused_with_its_line(write, text, told):
    path = write(text)
    with pytest.raises(ConfigError) as error:
        Kurfile.load(path)
    assert str(error.value).startswith(f"{path}{told}")


def test_a_file_without_a_model_has_no_layers(write):
    path = write("train: {}\n")
    with pytest.raises(ConfigError) as error:
        Kurfile.load(path).layers()
    assert str(error.value) == f"{path}: no section 'model'; expected a list of layers"


@pytest.mark.parametrize(
    ("text", "device", "parallel", "noted"),
    [
        ("{}", "", 0, []),
        ("{name: pytorch, device: cpu}", "cpu", 0, []),
        ("PyTorch", "", 0, []),
        ("keras", "", 0, ["name"]),
        ("{device: gpu, parallel: 2}", "cuda", 2, []),
        ("{name: keras, device: gpu1, optimizer: no}", "cuda:1", 0, ["name", "optimizer"]),
    ],
)
def test_backend(write, text, device, parallel, noted):
    path = write(f"settings:\n  backend: {text}\n")
    notes = tuple(f"{path}:2: settings.backend.{key}: no meaning here; the network runs on torch" for key in noted)
    assert Kurfile.load(path).backend == Backend(device, parallel, notes)


def test_seed_is_of_32_bits(write):
    assert Kurfile.load(write("settings: {seed: 7}\n")).seed == 7
    assert Kurfile.load(write("settings: {seed: -1}\n")).seed == 2**32 - 1
    assert Kurfile.load(write("settings: {}\n")).seed is None
