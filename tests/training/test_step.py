"""A step's gradient does not depend on its parts; memory that runs out costs time and no utterance."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from dstoolkit.ctc.loss import CTCLoss, CTCLossConfig
from dstoolkit.data.batches import Batches
from dstoolkit.errors import ConfigError, DataError
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.pipeline.experiment import TrainConfig
from dstoolkit.training.dataset import Batch
from dstoolkit.training.distributed import World
from dstoolkit.training.step import Step, precision

DIM, VOCAB = 5, 7
CPU = torch.device("cpu")


class Encoder(nn.Module):
    """Frame by frame, so that batches do not matter; refuses what is larger than ``most`` frames."""

    output_dim = 16

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(DIM, 16)
        self.register_buffer("seen", torch.zeros(1))
        self.most, self.sizes = 10**9, []

    def forward(self, frames, lengths):
        self.seen += 1
        if frames.shape[0] * frames.shape[1] > self.most:
            self.sizes.clear()
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.sizes.append(frames.shape[0])
        return torch.tanh(self.layer(frames)), lengths


def batch(count: int = 6, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    lengths = np.sort(rng.integers(12, 20, count))
    frames = torch.from_numpy(rng.normal(size=(count, lengths.max(), DIM)).astype(np.float32))
    targets = torch.from_numpy(rng.integers(1, VOCAB, (count, 4)))
    return Batch(np.arange(count), frames, torch.from_numpy(lengths), targets, torch.full((count,), 4))


def make(**options) -> Step:
    torch.manual_seed(0)
    model = CTCModel(Encoder(), VOCAB)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = CTCLoss(CTCLossConfig())
    return Step(model, loss, optimizer, TrainConfig(**{"clip": 0.0, **options}), CPU, 0, World())


def moved(step: Step, parts: list[Batch]) -> tuple[float, torch.Tensor]:
    """The loss and the weights after a step."""
    outcome = step.take(1, parts, sum(int(part.target_lengths.sum()) for part in parts))
    assert outcome.taken
    return outcome.loss, torch.cat([each.detach().flatten() for each in step.model.parameters()])


def test_the_gradient_is_that_of_the_whole_batch_in_however_many_parts():
    whole, (first, second) = batch(), batch().halves()
    loss, weights = moved(make(), [whole])
    other, others = moved(make(), [first, *second.halves()])
    assert other == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(others, weights, rtol=1e-5, atol=1e-7)
    assert not torch.equal(weights, torch.cat([each.detach().flatten() for each in make().model.parameters()]))


def gradient(**options) -> torch.Tensor:
    """What a step went along: its change of the weights over the rate."""
    torch.manual_seed(0)
    step = make(**{"clip": 0, **options})
    before = torch.cat([each.detach().flatten() for each in step.model.parameters()])
    return (before - moved(step, [batch()])[1]) / 0.1


def test_values_are_clipped_and_then_the_norm():
    plain = gradient()
    most = float(plain.abs().median())
    clipped = gradient(clip_value=most)
    torch.testing.assert_close(clipped, plain.clamp(-most, most), rtol=1e-3, atol=1e-6)
    assert (clipped.abs() < plain.abs() - 1e-4).any()
    both = gradient(clip_value=most, clip=float(clipped.norm()) / 3)
    torch.testing.assert_close(both, clipped / 3, rtol=1e-3, atol=1e-6)


def test_a_gradient_that_is_not_finite_is_not_clipped_into_one_that_is():
    step = make(clip_value=0.1)
    for each in step.parameters:
        each.grad = torch.full_like(each, float("inf"))
    assert step._update() == (float("inf"), False)


def test_the_loss_and_gradient_are_torchs():
    step, whole = make(), batch()
    logits, lengths = step.model(whole.frames, whole.lengths)
    log_probs = logits.log_softmax(2).transpose(0, 1)
    losses = nn.functional.ctc_loss(log_probs, whole.targets, lengths, whole.target_lengths, reduction="none")
    (losses.sum() / 24).backward()
    wanted = torch.cat([(each - 0.1 * each.grad).detach().flatten() for each in step.model.parameters()])
    loss, weights = moved(make(), [whole])
    assert loss == pytest.approx(losses.sum().item(), rel=1e-5)
    torch.testing.assert_close(weights, wanted, rtol=1e-4, atol=1e-6)


def test_out_of_memory_splits_the_batch_says_so_and_gives_the_same_step(capsys):
    loss, weights = moved(make(), [batch()])
    step = make()
    step.model.encoder.most = 2 * batch().frames.shape[1]
    other, others = moved(step, [batch()])
    assert other == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(others, weights, rtol=1e-5, atol=1e-7)
    assert step.model.encoder.sizes == [1, 2, 1, 2]
    assert float(step.model.encoder.seen) == 4  # failed attempts leave no trace
    said = capsys.readouterr().err
    assert said.count("out of memory with 6 utterances") == 1
    assert "computed in halves from now on" in said
    moved(step, [batch(seed=1)])
    assert "out of memory" not in capsys.readouterr().err
    fresh = make()
    fresh.load_state_dict(step.state_dict())
    assert fresh.limit == step.limit > 0


@pytest.mark.parametrize(("size", "option"), [(0, "batch_seconds"), (6, "batches.size")])
def test_out_of_memory_on_a_single_utterance_is_an_error_with_advice(size, option):
    step = make(batches=Batches(size=size))
    step.model.encoder.most = 1
    with pytest.raises(DataError, match=rf"out of memory; lower train\.{re.escape(option)} "):
        moved(step, [batch()])


def test_other_errors_are_not_taken_for_memory():
    step = make()
    step.model.encoder.layer = nn.Linear(DIM + 1, 16)
    with pytest.raises(RuntimeError, match="shapes"):
        moved(step, [batch()])


def test_a_step_without_a_finite_gradient_changes_nothing_not_even_statistics():
    step, spoilt = make(), batch()
    spoilt.frames[2] = float("nan")
    before = {name: each.clone() for name, each in step.model.state_dict().items()}
    one = spoilt._rows(slice(2, 3))
    outcome = step.take(1, [one], 4)
    assert not outcome.taken
    assert outcome.undefined.tolist() == [2]
    assert all(torch.equal(before[name], each) for name, each in step.model.state_dict().items())


def test_bfloat16_stays_near_float32_and_keeps_float32_weights():
    loss, weights = moved(make(), [batch()])
    step = make(precision="bfloat16")
    other, others = moved(step, [batch()])
    assert others.dtype == torch.float32
    assert other == pytest.approx(loss, rel=2e-2)
    assert other != loss
    torch.testing.assert_close(others, weights, rtol=0.05, atol=5e-3)


def test_float16_is_refused_on_a_cpu():
    with pytest.raises(ConfigError, match="'float16' on a CPU; use bfloat16 or float32"):
        precision("float16", CPU)


@pytest.mark.parametrize(("able", "found"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_bfloat16_where_the_device_has_it(monkeypatch, able, found):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: able)
    assert precision("auto", CPU) == found
    assert precision("auto", torch.device("mps")) == "float32"
    asked = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **options: asked.append(options) or able)
    assert precision("auto", torch.device("cuda")) == found
    assert asked == [{"including_emulation": False}]  # which would be slower than float32
    losses = [moved(make(precision=each), [batch()])[0] for each in ("auto", found)]
    assert losses[0] == losses[1]
    assert precision("float32", CPU) == "float32"


def test_a_compiled_model_takes_the_same_step(monkeypatch):
    compile_, compiled = torch.compile, []

    def traced(model, **options):
        compiled.append(options)
        return compile_(model, backend="aot_eager", **options)

    loss, weights = moved(make(), [batch()])
    monkeypatch.setattr(torch, "compile", traced)
    other, others = moved(make(compile=True), [batch()])
    assert compiled == [{}]  # torch finds out by itself which dimensions vary
    assert other == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(others, weights, rtol=1e-5, atol=1e-7)


def test_random_numbers_come_from_seed_and_step_alone():
    import random

    from dstoolkit.training.step import seed_everything

    def drawn(*seeds):
        seed_everything(*seeds)
        return torch.rand(2).tolist(), random.random(), np.random.random()

    assert drawn(1, 2, 0) == drawn(1, 2, 0)
    assert len({str(drawn(*each)) for each in ((1, 2, 0), (2, 2, 0), (1, 3, 0), (1, 2, 1))}) == 4
