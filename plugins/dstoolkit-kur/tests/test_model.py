"""The networks that Kurfiles describe, and the commands that show them."""

from __future__ import annotations

import json
from pathlib import Path

import click.testing
import pytest
import torch
from dstoolkit_kur.command import kur_group
from dstoolkit_kur.kurfile import Kurfile
from dstoolkit_kur.model import build

from dstoolkit.errors import ConfigError, Faults
from dstoolkit.models.layers.encoder import Layers, LayersConfig

SPEECH = Path(__file__).parent / "speech.yml"
DIM = 7
BY_HAND = {  # of frames of 7 values
    "convolution": [12 * 7 * 5 + 12],
    "batch_normalization": [2 * 12, 2 * 8, 2 * 8],
    "recurrent": [3 * 8 * (12 + 8 + 2), 3 * 8 * (8 + 8 + 2)],  # a GRU has three gates, each with two biases
    "parallel": [8 * 6 + 6],
}


def run(*words: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(kur_group, [str(each) for each in words], catch_exceptions=False)


def test_parameters_are_those_counted_by_hand():
    built = build(Kurfile.load(SPEECH), DIM)
    found = {word: [each.parameters for each in built.rows if each.word == word] for word in BY_HAND}
    assert found == BY_HAND
    assert sum(each.parameters for each in built.rows) == sum(map(sum, BY_HAND.values()))


def test_the_network_computes_what_the_table_says():
    network = build(Kurfile.load(SPEECH), DIM, weights=True).network.eval()
    values = network(torch.randn(2, 21, DIM), torch.tensor([21, 15])).values
    assert values.shape == (2, (21 - 5) // 2 + 1, 6)


WORDS = """\
model:
  - input: {shape: [null, 20]}
  - expand: -1
  - convolution: {kernels: 4, size: [3, 3], strides: [2, 2], separable: yes}
  - activation: {type: relu, ceiling: 20}
  - pool: {size: [2, 2]}
  - parallel: {apply: [flatten, dense: [12, 8]]}
  - convolution: {kernels: 8, size: 3, highway: yes}
  - recurrent: {size: 8, type: lstm, outer_activation: relu}
  - recurrent: {size: 8, type: gru, outer_activation: sigmoid, bidirectional: yes, merge: concat}
    name: gru
  - recurrent: {size: 8, type: sru, bidirectional: yes}
  - reuse: gru
  - batch_normalization: {axis: -1, momentum: 0.8}
  - dropout: {fraction: 0.2, independent: no}
    tag: dropped
  - merge: concat
    inputs: ["{{ tags.dropped }}", gru]
  - dense: 5
"""


@pytest.mark.parametrize("training", [False, True])
def test_what_batches_are_padded_with_is_hidden_from_every_layer(write, training):
    """So the supplier's option ``fill`` can change nothing: zeros, or the utterance again, as Kur's 'loop' had it."""
    text = WORDS.replace("- dropout: {fraction: 0.2, independent: no}", "- activation: tanh")  # the same twice
    network = build(Kurfile.load(write(text)), weights=True).network.train(training)
    lengths, utterance = torch.tensor([40, 25]), torch.randn(25, 20)
    zeros = torch.zeros(2, 40, 20)
    zeros[0], zeros[1, :25] = torch.randn(40, 20), utterance
    loops = zeros.clone()
    loops[1, 25:] = utterance[:15]
    one, other = (network(frames, lengths) for frames in (zeros, loops))
    assert one.lengths.tolist() == other.lengths.tolist()
    for row, length in enumerate(one.lengths.tolist()):
        assert torch.equal(one.values[row, :length], other.values[row, :length])


def test_the_table_is_the_same_with_weights_and_without(write):
    kurfile = Kurfile.load(write(WORDS))
    assert build(kurfile).rows == build(kurfile, weights=True).rows


def test_counting_takes_no_memory(write):
    path = write("model: [dense: 10_000_000]\n")
    rows = build(Kurfile.load(path), 1_000_000).rows
    assert [each.parameters for each in rows] == [10**13 + 10**7]
    with pytest.raises(ConfigError) as error:
        build(Kurfile.load(write("model: [dense: 99999999999999]\n")), 1_000_000)
    assert str(error.value).startswith(f"{path}:1: model: cannot be made: ")


def test_the_layers_are_an_encoders_options():
    encoder = Layers(LayersConfig(tuple(Kurfile.load(SPEECH).layers().value)), DIM)
    assert encoder.output_dim == 6
    assert encoder.ends_in_logits


def test_build_prints_layers_shapes_and_the_total():
    done = run("build", SPEECH, "--input-dim", DIM)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[1] == ["utterance", "input", "(frames,", "7)", "0"]
    assert lines[2] == ["-", "convolution", "(frames,", "12)", "432"]
    assert lines[-3] == ["text", "output", "(frames,", "6)", "0"]
    assert lines[-2] == ["1,502", "parameters"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("shape", "option", "expected", "told"),
    [
        ("x", (), 81, "frames of 81 values, as neither"),
        ("{name: x, shape: [null, 5]}", (), 5, ""),
        ("x", ("--input-dim", 9), 9, ""),
    ],
)
def test_values_of_a_frame(write, shape, option, expected, told):
    done = run("build", write(f"model: [input: {shape}, dense: 3, output: y]\n"), *option)
    assert f"{3 * expected + 3:,} parameters" in done.stdout
    assert told in done.stderr
    assert bool(done.stderr) == bool(told)


def test_build_for_one_of_several_outputs_and_frozen_layers(write):
    path = write("model: [{input: x}, {dense: 3, freeze: yes}, {output: a}, {dense: 4}, {output: b}]\n")
    done = run("build", path, "--output", "a", "--input-dim", 2)
    assert "9 parameters, of which 0 are trained" in done.stdout
    done = run("build", path, "--output", "b", "--input-dim", 2)
    assert "25 parameters, of which 16 are trained" in done.stdout
    with pytest.raises(ConfigError) as error:
        run("build", path, "--output", "c", "--input-dim", 2)
    assert str(error.value).startswith(f"{path}:1: model: no output is called 'c'")


def test_what_has_no_meaning_here_is_said(write):
    path = write("settings: {backend: {name: keras}}\nmodel: [input: x, dense: 3]\n")
    noted = f"{path}:1: settings.backend.name: no meaning here; the network runs on torch\n"
    assert run("build", path, "--input-dim", 3).stderr == noted


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (
            "convolution: {kernal: 3, size: 1}",
            "{path}:6: model[1].for.iterate[0].convolution.kernal: no such option; did you",
        ),
        ("dense: x", "{path}:6: model[1].for.iterate[0].dense"),
        ("expand: 7", "{path}:6: model[1].for.iterate[0].expand: axis 7 of (frames, 81, 1), which has 3 axes"),
        ("dense: 3\n          inputs: y", "{path}:7: model[1].for.iterate[0].inputs: no earlier layer is called 'y'"),
    ],
)
def test_faults_of_layers_have_the_kurfiles_lines(write, layer, told):
    loop = f"  - for:\n      range: 1\n      iterate:\n        - {layer}\n"
    path = write(f"model:\n  - input: x\n{loop}")
    with pytest.raises((ConfigError, Faults)) as error:
        build(Kurfile.load(path))
    assert str(error.value).startswith(told.format(path=path))


def test_dump_prints_the_kurfile_evaluated():
    assert run("dump", SPEECH).stdout == Kurfile.load(SPEECH).dump()
    assert json.loads(run("dump", SPEECH, "--json").stdout)["settings"]["rate"] == 2e-4
