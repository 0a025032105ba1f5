"""``provider``: what its options come to in each section, and which utterances are heard in which order by them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from dstoolkit_kur import hooks, observing, provider, training
from dstoolkit_kur.aims import Aim
from dstoolkit_kur.supplier import Data

from dstoolkit.cli.main import cli
from dstoolkit.data.archive import Archive
from dstoolkit.errors import ConfigError, DstoolkitError

SECTIONS = {"features": "spectrogram", "tokenizer": {"name": "characters", "characters": "abcdefg "}}
CASES = [  # provider -> an epoch's batches, and those of sections that are gone over once
    ("", {"size": 32, "order": "shuffled", "most": 0, "full": False}, {"order": "given", "size": 32}),
    ("batch_size: 3, num_batches: 5, force_batch_size: yes", {"size": 3, "most": 5, "full": True}, {"most": 5}),
    ("randomize: no", {"order": "given", "sorted_epochs": 0}, {"order": "given"}),
    (
        "sortagrad: duration",
        {"order": "shuffled", "sorted_epochs": 1, "sort_by": "length"},
        {"order": "sorted", "sorted_epochs": 0, "sort_by": "length"},
    ),
    (
        "sort_by: transcript_length, shuffle_after: 2, reverse: yes",
        {"order": "shuffled", "sorted_epochs": 2, "sort_by": "text", "reverse": True},
        {"order": "sorted", "sort_by": "text", "reverse": True},
    ),
    (
        "sort_by: duration, randomize: no, reverse: yes",
        {"order": "sorted", "reverse": True, "sorted_epochs": 0},
        {"order": "sorted", "reverse": True},
    ),
    ("shuffle_after: 2", {"order": "shuffled", "sorted_epochs": 2, "sort_by": "given"}, {"order": "given"}),
    ("shuffle_after: 1, reverse: yes", {"sorted_epochs": 1, "sort_by": "given", "reverse": True}, {"reverse": True}),
    ("randomize: no, reverse: yes", {"order": "given", "reverse": True}, {"order": "given", "reverse": True}),
    ("sort_by: duration", {"order": "shuffled", "sorted_epochs": 0, "sort_by": "length"}, {"order": "sorted"}),
    ("reverse: yes", {"order": "shuffled", "reverse": False}, {"order": "given", "reverse": True}),
]


@pytest.mark.parametrize(("text", "epochs", "once"), CASES)
def test_what_a_provider_comes_to(kurfile, tmp_path, text, epochs, once):
    said = f"provider: {{{text}}}"
    found = kurfile(said, *((f"{name}:\n", f"{name}:\n  {said}\n") for name in ("validate", "test")))
    options = training.experiment(found, Data(tmp_path, tmp_path, SECTIONS, 0.5, 0), Aim(2)).train
    for batches in (options.batches, options.dev_batches):
        assert {key: getattr(batches, key) for key in epochs} == epochs
    assert (options.batches.bucket, options.dev_batches.bucket) == (0.5, 0.0)
    batches = provider.read(found.section("test")).batches(once=True)
    assert {key: batches[key] for key in once} == once


def test_validations_are_padded_as_their_data_say(kurfile):
    found = kurfile("", ("data: &data {type: spec", "data: &data {bucket: 2, type: spec"))
    assert training.validations(found.section("validate"))["bucket"] == 2.0
    assert training.validations(None) == {}


@pytest.mark.parametrize(
    ("name", "text", "idle"),
    [
        ("train", "sort_by: duration, reverse: yes", ["sort_by", "reverse"]),
        ("train", "sort_by: duration, reverse: yes, shuffle_after: 1", []),
        ("train", "randomize: no, shuffle_after: 3", ["shuffle_after"]),
        ("validate", "reverse: yes", ["reverse"]),
        ("test", "randomize: yes, reverse: yes", ["randomize"]),
        ("evaluate", "sort_by: duration, shuffle_after: 3", ["shuffle_after"]),
        ("evaluate", "num_batches: 3", []),
    ],
)
def test_what_changes_nothing_is_said_with_its_line(kurfile, name, text, idle):
    said = f"provider: {{{text}}}"
    found = kurfile(said) if name == "train" else kurfile("", (f"{name}:\n", f"{name}:\n  {said}\n"))
    section = found.section(name)
    line = section.get("provider").mark.line
    begins = [f"{found.path}:{line}: {name}.provider.{key}: no effect: " for key in idle]
    notes = provider.notes(section, name)
    assert [note[: len(begin)] for note, begin in zip(notes, begins, strict=True)] == begins


@pytest.fixture
def trained(write, data):
    """A Kurfile whose sections all have the training's data, trained for an epoch, and by it what it heard."""
    test = ("test:\n", "test:\n  hooks: [output: out.json]\n")
    path = write("epochs: 1\nprovider: {batch_size: 4}", ("path: dev", "path: train"), test)

    def run(*arguments):
        result = CliRunner().invoke(cli, [str(each) for each in arguments])
        if isinstance(result.exception, DstoolkitError):
            raise result.exception
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    run("train", path, "--device", "cpu")

    def heard(name, provider=""):
        said = ("--set", f"{name}.provider={{{provider}}}") if provider else ()
        output = run(name, path, "--device", "cpu", *said)
        return [each["utterance"] for each in json.loads((data / "out.json").read_text())], output

    return heard


def test_what_is_tested_and_evaluated(trained, data):
    """Which utterances, and in which order; by the lengths of the audio and of the texts."""
    rows = [json.loads(line) for line in (data / "train/data.jsonl").read_text().splitlines()]
    names = [each["uuid"] for each in rows]
    by_duration = sorted(names, key=lambda name: rows[names.index(name)]["duration_s"])
    found, output = trained("evaluate")
    assert found == names
    assert "8 utterances transcribed" in output
    found, output = trained("evaluate", "batch_size: 3, num_batches: 2")
    assert found == names[:6]
    assert "6 of 8 utterances transcribed" in output
    assert trained("evaluate", "batch_size: 3, num_batches: 1, sort_by: duration")[0] == by_duration[:3]
    assert trained("test", "batch_size: 3, num_batches: 1, sortagrad: duration, reverse: yes")[0] == by_duration[:-4:-1]
    assert trained("test", "batch_size: 3, force_batch_size: yes, reverse: yes")[0] == names[::-1][:6]
    lengths = [len(rows[names.index(name)]["text"]) for name in trained("test", "sort_by: transcript_length")[0]]
    assert lengths == sorted(len(each["text"]) for each in rows)
    with pytest.raises(ConfigError, match=r"--set test.provider: test.provider.force_batch_size: 8 utterances make no"):
        trained("test", "batch_size: 9, force_batch_size: yes")


def test_the_score_is_of_what_was_heard(trained, data):
    rows = [json.loads(line) for line in (data / "train/data.jsonl").read_text().splitlines()]
    trained("test", "batch_size: 3, num_batches: 1")
    score = json.loads((data / "exp/tones/test/wer.json").read_text())
    assert score["wer"]["reference_length"] == sum(len(row["text"].split()) for row in rows[:3])


def test_batch_size_is_that_of_decoding_and_changes_no_result(trained, data, monkeypatch):
    from dstoolkit.pipeline.transcription import Transcribe

    sizes, call = [], Transcribe.__call__
    monkeypatch.setattr(Transcribe, "__call__", lambda self, batch: sizes.append(len(batch)) or call(self, batch))
    texts = []
    for size in (1, 3, 8):
        trained("test", f"batch_size: {size}")
        texts.append((data / "exp/tones/test/text").read_text())
    assert sizes == [1] * 8 + [3, 3, 2] + [8]
    assert texts[0] == texts[1] == texts[2]


class Kept(hooks.Hook):
    def __init__(self):
        self.heard = []

    def predicted(self, rows):
        self.heard.append(list(rows))


def test_what_is_validated(write, data, monkeypatch):
    """By a validation's batches: the hooks get what was heard, in its order."""
    said = "provider: {batch_size: 2, num_batches: 2, shuffle_after: 1, reverse: yes}"
    changes = ("validate:\n", f"validate:\n  {said}\n"), ("path: dev", "path: train")
    path = write("epochs: 3\nprovider: {batch_size: 4}", *changes)
    kept, watch = Kept(), training.watch
    monkeypatch.setattr(training, "watch", lambda kurfile: observing.Watch(watch(kurfile).keepers, (), [kept]))
    training.train_file(path, [], "cpu", False)
    assert kept.heard[0] == ["u7", "u6", "u5", "u4"]
    assert [len(each) for each in kept.heard] == [4, 4, 4]
    assert kept.heard[1] != kept.heard[2]
    with Archive(data / "data/tones/validate/features.h5") as archive:
        assert set(kept.heard[1]) | set(kept.heard[2]) <= set(archive.utterance_ids)


@pytest.mark.parametrize(("name", "count"), [("train", 8), ("validate", 2)])
def test_sections_without_a_whole_batch_are_refused(write, data, name, count):
    said = "provider: {batch_size: 9, force_batch_size: yes}"
    path = write(said) if name == "train" else write("", ("validate:\n", f"validate:\n  {said}\n"))
    told = rf"tones.yml:\d+: {name}.provider.force_batch_size: {count} utterances make no batch of 9; choose a smaller"
    with pytest.raises(ConfigError, match=told):
        training.train_file(path, [], "cpu", False)
