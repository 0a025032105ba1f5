"""The section ``loss``: what is trained by which weights, and whose frames are counted."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from dstoolkit_kur import aims, losses, sections, training
from dstoolkit_kur.supplier import Data

from dstoolkit.cli.main import cli
from dstoolkit.errors import DstoolkitError

REST = "input_length: utterance_length, output_length: transcript_length, output: transcript"
EARLY = (  # an output before the stride, of 9 values and one that is spare
    "  - convolution: {kernels: 16, size: 7, strides: 2, border: valid}\n",
    "  - dense: 10\n    name: letters\n  - activation: softmax\n    name: early\n    sink: yes\n"
    "  - convolution: {kernels: 16, size: 7, strides: 2, border: valid}\n    inputs: letters\n    name: thin\n",
)
FIRST = "loss:\n"


def second(more: str = "", first: str = "early"):
    """A loss of the early output, before that of ``asr``."""
    return FIRST, f"loss:\n  - {{name: ctc, target: {first}, {REST}{more}}}\n"


def read(kurfile):
    return losses.read(kurfile.section("loss"), kurfile.layers(), str(kurfile.path))


def experiment(kurfile, tmp_path):
    texts = {"features": "spectrogram", "tokenizer": {"name": "characters", "characters": "abcdefg "}}
    return training.experiment(kurfile, Data(tmp_path, tmp_path, texts, 0.0, 0), aims.Aim(1))


@pytest.mark.parametrize(
    ("changes", "output", "expected"),
    [
        ((), "asr", {}),
        ((("name: ctc", "weight: 1, name: ctc"),), "asr", {}),
        ((("name: ctc", "weight: 0.25, name: ctc"),), "asr", {"asr": 0.25}),
        ((EARLY, second()), "asr", {"early": 1.0, "asr": 1.0}),
        ((("name: ctc", "weight: 2, name: ctc"), EARLY, second(", weight: 0.3")), "asr", {"early": 0.3, "asr": 2.0}),
    ],
)
def test_weights_are_the_encoders(kurfile, tmp_path, changes, output, expected):
    found = kurfile("", *changes)
    assert (read(found).output, read(found).weights) == (output, expected)
    sections.check(found)
    options = experiment(found, tmp_path).encoder.options
    assert (options["output"], options.get("losses", {})) == (output, expected)


def test_without_asr_the_first_output_is_decoded(kurfile):
    found = read(kurfile("", ("output: asr", "output: late"), ("target: asr", "target: late"), EARLY, second()))
    assert (found.output, found.more) == ("early", ("late",))


def test_a_last_layer_without_a_mark_may_have_a_weight(kurfile, tmp_path):
    last = ("  - activation: softmax\n  - output: asr\n", "  - activation: softmax\n    name: asr\n")
    assert read(kurfile("", last)).output == ""
    found = kurfile("", last, ("name: ctc", "weight: 3, name: ctc"))
    sections.check(found)
    assert experiment(found, tmp_path).encoder.options["losses"] == {"asr": 3.0}


@pytest.mark.parametrize(
    ("variant", "scale", "notes"),
    [("loss_scale", 0.01, 0), ("[warp, loss_scale]", 0.01, 1), ("warp", 0.0, 1), ("null", 0.0, 0), ("[]", 0.0, 0)],
)
def test_variants(kurfile, tmp_path, variant, scale, notes):
    found = kurfile("", ("name: ctc", f"variant: {variant}, name: ctc"))
    assert experiment(found, tmp_path).train.length_scale == scale
    assert len(read(found).notes) == notes


@pytest.mark.parametrize("layer", ["utterance", "norm", "asr"])
def test_relative_to_a_layer_with_the_inputs_frames(kurfile, layer):
    """Any layer that has as many frames as the input counts them alike."""
    flat = (
        "  - convolution: {kernels: 16, size: 7, strides: 2, border: valid}\n",
        "  - batch_normalization:\n    name: norm\n",
    )
    sections.check(kurfile("", flat, ("relative_to: utterance", f"relative_to: {layer}")))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            (("relative_to: utterance", "relative_to: asr"),),
            "loss[0].relative_to: 'asr' has other frames than the input, which 'utterance_length' counts; expected a",
        ),
        ((EARLY, second(", relative_to: thin")), "loss[0].relative_to: 'thin' does not lead to 'early'; expected a"),
        ((EARLY, second(first="asr")), "loss[1].target: a second loss of 'asr'; expected one"),
        (
            (EARLY, second(first="letters")),
            "no output 'letters'; expected one of: early, asr; 'sink: yes' beside a layer makes it an output",
        ),
        (
            (EARLY, second(", variant: loss_scale")),
            "loss[1].variant: 'loss_scale' of one loss and not of another; expected it of all",
        ),
    ],
)
def test_refused(kurfile, changes, told):
    with pytest.raises(DstoolkitError) as error:
        sections.check(kurfile("", *changes))
    assert told in str(error.value)


def test_two_losses_are_trained_and_told_by_name(write, data):
    """By the command: the sums of the epochs are those of the parts, and each output has its own spare values."""
    path = write("epochs: 2\nprovider: {batch_size: 4}", EARLY, second(", weight: 0.5"))
    result = CliRunner().invoke(cli, ["train", str(path), "--device", "cpu"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert "the output 'early' ends in 10 values, the vocabulary in 9: the last 1 are not used" in result.output
    rows = [json.loads(line) for line in (data / "exp/tones/metrics.jsonl").read_text().splitlines()]
    for row in rows:
        for kind in ("train", "dev"):
            parts = row[f"{kind}_loss_asr"] + 0.5 * row[f"{kind}_loss_early"]
            assert row[f"{kind}_loss"] == pytest.approx(parts, rel=1e-5)
    assert rows[1]["train_loss_early"] != rows[0]["train_loss_early"]
    tested = CliRunner().invoke(cli, ["test", str(path), "--device", "cpu"])
    assert tested.exit_code == 0, tested.output
    assert "95 % interval" in tested.output


def test_build_shows_the_outputs_that_are_trained(write, data):
    path = write("", EARLY, second())
    result = CliRunner().invoke(cli, ["kur", "build", str(path), "--input-dim", "7"])
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.output.splitlines() if "softmax" not in line].count("early") == 1
    assert result.output.count("activation") == 3
