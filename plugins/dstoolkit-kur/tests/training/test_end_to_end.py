"""A Kurfile of tones trained, gone on with, tested and evaluated, by the commands."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from dstoolkit_kur import training

from dstoolkit.cli.main import cli
from dstoolkit.errors import DstoolkitError
from dstoolkit.pipeline import checkpoint

TRAIN = """\
epochs: {number: 2, mode: total}
provider: {batch_size: 4, sortagrad: duration}
optimizer: {learning_rate: 5e-3}
weights: {initial: given.pt, best: best.pt, last: last.pt}
checkpoint: saved.pt
log: log
"""
VALIDATE = "validate:\n  data: [{speech_recognition: {<<: *data, path: dev}}]\n"


def run(*arguments, status=0):
    result = CliRunner().invoke(cli, [str(each) for each in arguments])
    assert result.exit_code == status, (result.output, result.exception)
    return result.output


def test_train_again_more_test_evaluate(write, data):
    path = write(TRAIN, ("test:\n", "test:\n  weights: last.pt\n  hooks: [transcript]\n"))
    exp = data / "exp/tones"
    run("train", path, "--device", "cpu")
    assert len((data / "log/metrics.jsonl").read_text().splitlines()) == 2
    assert "already done" in run("train", path, "--device", "cpu")

    output = run("train", path, "--device", "cpu", "--set", "train.epochs.number=3")
    assert "going on after epoch 2 of 3" in output
    last = checkpoint.load(data / "last.pt")["weights"]
    trained = checkpoint.load(exp / "last.pt")["model"]
    assert all((last[name] == trained[name]).all() for name in trained)

    tested = run("test", path, "--device", "cpu")
    assert "95 % interval" in tested
    assert "Truth:" in tested
    assert "not what was trained" not in tested
    changed = run("test", path, "--device", "cpu", "--set", "model[3].recurrent.size=8")
    said = f"{path}:4: model: not what was trained (layers[3].recurrent.size was 16, now 8); used is '"
    assert f"{said}{data / 'last.pt'}' as it is" in changed
    score = json.loads((exp / "test/wer.json").read_text())
    assert score["wer"]["reference_length"] == sum(len(row["text"].split()) for row in rows(data))

    run("evaluate", path, "--device", "cpu")
    found = json.loads((data / "out.json").read_text())
    assert {each["utterance"]: each["truth"] for each in found} == {row["uuid"]: row["text"] for row in rows(data)}


def test_epochs_gone_on_with_are_those_of_one_training(write, data):
    path = write(TRAIN)
    run("train", path, "--device", "cpu")
    run("train", path, "--device", "cpu", "--set", "train.epochs.number=3")
    parts = checkpoint.load(data / "exp/tones/last.pt")["model"]
    run("train", path, "--device", "cpu", "--set", "train.epochs.number=3", "--force")
    whole = checkpoint.load(data / "exp/tones/last.pt")["model"]
    assert all((parts[name] == whole[name]).all() for name in whole)


def test_initial_weights_and_additional_epochs(write, data):
    """Begun with the weights of another training; each call adds an epoch."""
    run("train", write(TRAIN), "--device", "cpu")
    (data / "best.pt").rename(data / "given.pt")
    rate = "train.optimizer.learning_rate=1e-12"
    path = write(TRAIN.replace("{number: 2, mode: total}", "1"))
    run("train", path, "--device", "cpu", "--force", "--set", rate)
    given, now = (checkpoint.load(data / name)["weights"] for name in ("given.pt", "last.pt"))
    assert all((given[name] - now[name]).abs().max() < 1e-6 for name in given)
    (data / "given.pt").unlink()  # the training has its copy
    assert "going on after epoch 1 of 2" in run("train", path, "--device", "cpu", "--set", rate)


def test_no_validation_no_end_and_no_truth(write, data, interrupt):
    """Validated on the training data, without an end until it is interrupted; then evaluated without truth."""
    path = write("provider: {batch_size: 4}", (VALIDATE, ""))
    interrupt(5)  # of two steps an epoch
    output = run("train", path, "--device", "cpu", status=1)
    assert "the validation is of the training data" in output
    assert "train says no number of epochs and no time: it goes on until Ctrl-C" in output
    assert "epoch   2  loss" in output
    output = run("train", write("provider: {batch_size: 4}\nepochs: {number: 3, mode: total}", (VALIDATE, "")))
    assert "going on after epoch 2 of 3, 1 steps into the next" in output
    silent = [json.dumps({**row, "text": ""}) + "\n" for row in rows(data)]
    (data / "dev/data.jsonl").write_text("".join(silent))
    assert "no truth to score by" in run("evaluate", path, "--device", "cpu")
    found = json.loads((data / "out.json").read_text())
    assert [each["truth"] for each in found] == [None, None]


def test_data_are_shown_while_other_sections_are_wrong(write, data):
    path = write("epohcs: 3", ("target: asr", "target: ars"), ("evaluate:\n", "evaluate:\n  destnation: x\n"))
    output = run("kur", "data", path, "--section", "test", "--number", 1, "--set", "settings.data.data_cpus=1")
    assert output.splitlines()[0].startswith("u0  ")
    assert "test: 2 utterances" in output


def test_a_convolution_over_time_and_frequency(write, data):
    """What a network's layers slide over is counted before it is made."""
    flat = "  - convolution: {kernels: 16, size: 7, strides: 2, border: valid}\n"
    plane = """\
  - expand: -1
  - convolution: {kernels: 4, size: [5, 9], strides: [2, 4]}
  - pool: {size: [1, 2], strides: [1, 2]}
  - parallel: {apply: [flatten]}
"""
    run("train", write("epochs: 1\nprovider: {batch_size: 4}", (flat, plane)), "--device", "cpu")
    assert (data / "exp/tones/best.pt").is_file()


def test_other_files_are_not_ours(tmp_path):
    (tmp_path / "conf.yaml").write_text("encoder: deepspeech\n")
    (tmp_path / "notes.txt").write_text("model: x\n")
    for name in ("conf.yaml", "notes.txt"):
        assert training.train_file(tmp_path / name, [], "cpu", False) is None


def test_a_folder_in_the_place_of_weights_is_refused_before_any_work(write, data):
    (data / "kept").mkdir()
    with pytest.raises(DstoolkitError, match=r"train.checkpoint: '.*kept' is a folder"):
        training.train_file(write("checkpoint: kept"), [], "cpu", False)
    assert not (data / "data").exists()


def test_weights_that_must_exist(write, data):
    path = write("weights: {initial: given.pt, must_exist: yes}")
    kurfile, _ = training.load(path, [])
    train, validate = kurfile.section("train"), kurfile.section("validate")
    with pytest.raises(DstoolkitError, match=r"train.weights.initial: no file .*given.pt.*expected weights"):
        training.initial(train, validate, training.Places.of(path), False)


def rows(data):
    return [json.loads(line) for line in (data / "dev/data.jsonl").read_text().splitlines()]
