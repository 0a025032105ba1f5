"""Which utterances the options choose, and options refused with their lines."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from dstoolkit_kur import supplier
from dstoolkit_kur.manifest import Entry
from dstoolkit_kur.options import Normal, SpeechRecognition, place

from dstoolkit.errors import ConfigError, Faults


def chosen(section, count=20, seed=5, **options):
    """The places of the chosen among ``count`` utterances of 1, 2, 3 ... seconds."""
    node = supplier.supplier(section(path="train", **options))
    entries = [Entry(str(at), "a", at + 1.0, Path("x.wav")) for at in range(count)]
    return [int(each.id) for each in node.build(SpeechRecognition).select(entries, node, seed)]


@pytest.mark.parametrize(
    ("samples", "start", "end"),
    [
        (3, 0, 3),
        ("3", 0, 3),
        (30, 0, 20),
        ("15-", 15, 20),
        ("4-9", 4, 9),
        ("10%", 0, 2),
        ("10-25%", 2, 5),
        ("12.5-25.5%", 2, 5),
        ("70-%", 14, 20),
    ],
)
def test_samples_are_a_stretch_of_a_seeded_permutation_in_the_files_order(section, samples, start, end):
    wanted = sorted(np.random.RandomState(5).permutation(20)[start:end].tolist())
    assert chosen(section, samples=samples) == wanted


def test_stretches_part_the_data_and_seeds_part_it_differently(section):
    parts = [chosen(section, samples=each) for each in ("30%", "30-60%", "60-%")]
    assert sorted(at for part in parts for at in part) == list(range(20))
    assert chosen(section, samples="30%", seed=6) != parts[0]


def test_durations_are_limits_that_belong_to_them(section):
    assert chosen(section, min_duration=18) == [17, 18, 19]
    assert chosen(section, max_duration=2.5) == [0, 1]
    assert chosen(section, min_duration=3, max_duration=5, samples=2, seed=0) == sorted(
        2 + at for at in np.random.RandomState(0).permutation(3)[:2]
    )


@pytest.mark.parametrize("options", [{"min_duration": 21}, {"samples": 0}, {"samples": "1%"}, {"samples": "9-4"}])
def test_none_left(section, options):
    with pytest.raises(ConfigError, match=r"k\.yml:[35]: train\.data\[0\]\.speech_recognition"):
        chosen(section, **options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"checksum": "abc"}, "checksum: 'abc'; expected a SHA-256, 64 hexadecimal digits"),
        ({"min_duration": -1}, "min_duration: -1; expected 0 or more"),
        ({"max_duration": 1, "min_duration": 2}, "max_duration: 1; min_duration is 2"),
        ({"data_cpus": 0}, "data_cpus: 0; expected 1 or more"),
        ({"samples": "1-2-3"}, "samples: '1-2-3'; expected '10'"),
        ({"samples": True}, "samples: True; expected a whole number"),
        ({"max_frequency": -5}, "max_frequency: -5; expected 0 or more"),
        ({"bucket": -1}, "bucket: -1; expected 0 or more"),
        ({"key": ""}, "key: ''; expected the key"),
        ({"type": "raw"}, "type: 'raw'; expected one of 'spec', 'mfcc'"),
        ({"fill": "loup"}, "fill: 'loup'; expected one of 'zero', 'loop'"),
        ({"normalisation": "x"}, "normalisation: no such option; did you mean 'normalization'?"),
        ({"normalization": {"depth": 0}}, "normalization.depth: 0; expected 1 utterance or more"),
        ({"normalization": {"centre": True}}, "normalization.centre: no such option; did you mean 'center'?"),
    ],
)
def test_refused_at_the_options_line(section, options, told):
    node = supplier.supplier(section(path="train", **options))
    with pytest.raises(ConfigError) as error:
        node.build(SpeechRecognition)
    assert str(error.value).startswith(f"{node.mark.file}:5: train.data[0].speech_recognition.{told}")


def test_all_faults_at_once(section):
    node = supplier.supplier(section(checksum="x", data_cpus=0))
    with pytest.raises(Faults) as error:
        node.build(SpeechRecognition)
    assert len(error.value.faults) == 3  # and no path


def test_paths_are_relative_to_the_file_that_says_them(section, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("DATA", "speech")
    node = supplier.supplier(section(path="train", normalization={"path": "x"}))
    assert place(node, "../train", "path") == tmp_path.parent / "train"
    assert place(node, "~/$DATA", "normalization") == Path("/home/ada/speech")


DOCS = Path(__file__).resolve().parents[4] / "docs" / "from-kur.md"  # of the checkout, beside plugins/


@pytest.mark.skipif(not DOCS.exists(), reason="docs/from-kur.md is in dstoolkit's checkout alone")
def test_every_option_is_documented_and_no_other():
    text = DOCS.read_text(encoding="utf-8").partition("\n## The data\n")[2]
    text = text.partition("\n## ")[0]
    told = {name for line in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)}
    assert told == {each.name for each in dataclasses.fields(SpeechRecognition) if each.init}
    assert all(f"`{each.name}`" in text or f"{each.name}," in text for each in dataclasses.fields(Normal))
