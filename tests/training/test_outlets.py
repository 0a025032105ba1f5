"""Several outputs of a model are trained by the weighted sum of their losses; torch's own CTC is the oracle."""

from __future__ import annotations

import json
import math
import os
import signal

import numpy as np
import pytest
import torch

from dstoolkit import plugins
from dstoolkit.ctc.loss import CTCLoss, CTCLossConfig
from dstoolkit.data.archive import Archive
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.models.layers.encoder import Layers, LayersConfig
from dstoolkit.pipeline.experiment import TrainConfig
from dstoolkit.training.dataset import Batch
from dstoolkit.training.distributed import World
from dstoolkit.training.outlets import length_scales
from dstoolkit.training.step import Step
from tests import toy

DIM, VOCAB = 5, 7
LAYERS = (
    {"dense": 8},
    {"activation": "tanh"},
    {"dense": 9, "name": "letters"},
    {"activation": "softmax", "name": "early", "sink": True},
    {"convolution": {"kernels": 8, "size": 3, "strides": 2}, "inputs": "letters"},
    {"activation": "tanh"},
    {"output": "text"},
)


def batch(count: int = 6, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    lengths = np.sort(rng.integers(18, 30, count))
    frames = torch.from_numpy(rng.normal(size=(count, lengths.max(), DIM)).astype(np.float32))
    targets = torch.from_numpy(rng.integers(1, VOCAB, (count, 4)))
    return Batch(np.arange(count), frames, torch.from_numpy(lengths), targets, torch.full((count,), 4))


def make(losses: dict[str, float]) -> Step:
    torch.manual_seed(0)
    model = CTCModel(Layers(LayersConfig(LAYERS, "text", losses), DIM), VOCAB)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    return Step(model, CTCLoss(CTCLossConfig()), optimizer, TrainConfig(clip=0.0), torch.device("cpu"), 0, World())


def went(step: Step, parts: list[Batch], scales: list[float] = ()) -> tuple[list[float], torch.Tensor]:
    """The losses, the total and each output's, and the gradient, of a step of rate 1."""
    before = flat(step.model)
    outcome = step.take(1, parts, sum(len(part) for part in parts), scales)
    return [outcome.loss, *outcome.own], before - flat(step.model)


def flat(model: CTCModel) -> torch.Tensor:
    return torch.cat([each.detach().flatten() for each in model.parameters()])


def oracle(losses: dict[str, float], scales: dict[str, float]) -> tuple[list[float], torch.Tensor]:
    """The same by torch's CTC loss, from the outputs' definition."""
    model, data = make(losses).model, batch()
    logits, lengths = model.every(data.frames, data.lengths)
    own = {
        outlet.name: torch.nn.functional.ctc_loss(
            each.log_softmax(2).transpose(0, 1), data.targets, count, data.target_lengths, reduction="sum"
        )
        for outlet, each, count in zip(model.outlets, logits, lengths, strict=True)
    }
    objective = sum(losses[name] * scales.get(name, 1.0) * each for name, each in own.items()) / len(data)
    objective.backward()
    values = {name: each.item() for name, each in own.items()}
    gradient = torch.cat([each.grad.flatten() for each in model.parameters()])
    return [sum(losses[name] * each for name, each in values.items()), *values.values()], gradient


@pytest.mark.parametrize("losses", [{"text": 1.0, "early": 0.3}, {"early": 2.0, "text": 0.5}, {"text": 3.0}])
def test_the_loss_is_the_weighted_sum_of_torchs(losses):
    (values, gradient), (expected, expected_gradient) = went(make(losses), [batch()]), oracle(losses, {})
    assert values == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-6)


def test_a_weight_multiplies_the_gradient():
    (values, gradient), (heavy, steep) = (went(make({"text": by}), [batch()]) for by in (1.0, 2.5))
    assert heavy == pytest.approx([2.5 * values[0], values[1]])
    torch.testing.assert_close(steep, 2.5 * gradient, rtol=1e-4, atol=1e-6)


def test_length_scale_multiplies_by_the_mean_frames_of_each_output_over_all_parts():
    losses, whole, halves = {"text": 1.0, "early": 0.3}, batch(), batch().halves()
    model = make(losses).model
    frames = whole.lengths.double().numpy()
    means = {"text": np.ceil(frames / 2).mean(), "early": frames.mean()}
    found = [length_scales(0.01, model, parts, len(whole), World()) for parts in ([whole], halves)]
    assert found[0] == found[1] == pytest.approx([0.01 * means["text"], 0.01 * means["early"]])
    assert length_scales(0.0, model, [whole], len(whole), World()) == []
    expected = oracle(losses, {name: mean / 100 for name, mean in means.items()})
    for parts in ([whole], halves):
        values, gradient = went(make(losses), parts, found[0])
        assert values == pytest.approx(expected[0], rel=1e-5)  # what is told is not scaled
        torch.testing.assert_close(gradient, expected[1], rtol=1e-4, atol=1e-6)


def test_an_utterance_that_one_output_is_too_short_for_has_no_part_in_any_sum():
    step, data = make({"text": 1.0, "early": 1.0}), batch()
    data.lengths[0] = 5  # 3 frames after the stride, for 4 tokens
    values, gradient = went(step, [data])
    assert math.isfinite(values[0])
    rest = data._rows(slice(1, None))
    expected, expected_gradient = went(make({"text": 1.0, "early": 1.0}), [rest])
    assert values == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(gradient, expected_gradient * len(rest) / len(data), rtol=1e-4, atol=1e-6)


ENCODER = "encoder={name: layers, losses: {text: 1, early: 0.5}, layers: [{convolution: {kernels: 16, size: 5}}, \
{activation: relu}, {dense: 40, name: letters}, {activation: softmax, name: early, sink: true}, \
{convolution: {kernels: 16, size: 3, strides: 2}, inputs: letters}, {activation: relu}, {output: text}]}"


def test_a_training_tells_each_outputs_loss(tmp_path, dstoolkit, monkeypatch):
    observe, steps = plugins.Registry.observe, []

    def also(self, hook, **values):
        observe(self, hook, **values)
        if hook == "dstoolkit_step_end":
            steps.append((values["run"].step, values["losses"]))

    monkeypatch.setattr(plugins.Registry, "observe", also)
    corpus = toy.make(tmp_path / "toy", train=12, dev=4)
    lines = (corpus / "train/text").read_text().splitlines()
    name = lines[0].split()[0]
    frames = int(Archive(corpus / "train/features.h5").lengths[0])
    text = " ".join(["no"] * (frames // 4))  # three quarters as many characters: enough frames for 'early' alone
    (corpus / "train/text").write_text("\n".join([f"{name} {text}", *lines[1:]]) + "\n")
    said = dstoolkit(*toy.arguments(corpus, tmp_path / "exp", "--set", ENCODER, "--set", "train.length_scale=0.01"))
    assert f"1 left out, too short for their text: '{name}'" in said.output
    assert "the output 'early' ends in 40 values" in said.output
    epochs = [json.loads(line) for line in (tmp_path / "exp/metrics.jsonl").read_text().splitlines()]
    for each in epochs:
        for kind in ("train", "dev"):
            parts = each[f"{kind}_loss_text"] + 0.5 * each[f"{kind}_loss_early"]
            assert each[f"{kind}_loss"] == pytest.approx(parts, rel=1e-5)
    assert epochs[-1]["train_loss_early"] < epochs[0]["train_loss_early"]
    assert [at for at, _ in steps] == list(range(1, epochs[-1]["step"] + 1))
    for _, losses in steps:
        assert losses["batch_loss"] == pytest.approx(losses["batch_loss_text"] + 0.5 * losses["batch_loss_early"])


def test_a_training_interrupted_within_an_epoch_tells_the_same_losses(tmp_path, dstoolkit, monkeypatch):
    corpus, take = toy.make(tmp_path / "toy", train=12, dev=4), Step.take
    options = ["--set", ENCODER, "--set", "train.epochs=2", "--set", "train.batch_seconds=1"]
    dstoolkit(*toy.arguments(corpus, tmp_path / "whole", *options))

    def interrupted(self, number, *arguments):
        outcome = take(self, number, *arguments)
        if number == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(Step, "take", interrupted)
        dstoolkit(*toy.arguments(corpus, tmp_path / "exp", *options), status=130)
    dstoolkit(*toy.arguments(corpus, tmp_path / "exp", *options))
    texts = [(tmp_path / each / "metrics.jsonl").read_text().splitlines() for each in ("whole", "exp")]
    whole, exp = ([json.loads(line) for line in lines] for lines in texts)
    assert whole[0]["step"] > 2
    for name in ("train_loss", "train_loss_text", "train_loss_early", "dev_loss_early"):
        assert [each[name] for each in exp] == [each[name] for each in whole], name
