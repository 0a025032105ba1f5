"""The same training on an NVIDIA GPU: it learns in every precision, and goes on from between two steps."""

from __future__ import annotations

import json
import os
import signal

import pytest
import torch

from tests import toy

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def train(dstoolkit, corpus, exp, *settings, status=0):
    options = [word for each in settings for word in ("--set", each)]
    return dstoolkit(*toy.arguments(corpus, exp, *options, "--device", "cuda"), status=status).output


def errors(exp):
    return [json.loads(line)["dev_wer"] for line in (exp / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("rnn", ["lstm", "gru"])
def test_learns(corpus, tmp_path, dstoolkit, precision, rnn):
    train(dstoolkit, corpus, tmp_path / "exp", "train.epochs=20", f"train.precision={precision}", f"encoder.rnn={rnn}")
    assert min(errors(tmp_path / "exp")) < 25


def test_agrees_with_the_cpu(corpus, tmp_path, dstoolkit):
    settings = ("train.epochs=2", "train.workers=1")
    train(dstoolkit, corpus, tmp_path / "cuda", *settings)
    dstoolkit(*toy.arguments(corpus, tmp_path / "cpu", *(word for each in settings for word in ("--set", each))))
    lines = [json.loads((tmp_path / each / "metrics.jsonl").read_text().splitlines()[-1]) for each in ("cuda", "cpu")]
    assert lines[0]["train_loss"] == pytest.approx(lines[1]["train_loss"], rel=0.01)


def test_goes_on_from_between_two_steps(corpus, tmp_path, dstoolkit, monkeypatch):
    from dstoolkit.training.step import Step

    take = Step.take

    def interrupted(self, number, *arguments):
        if number == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return take(self, number, *arguments)

    settings = ("encoder.dropout=0.2", "train.epochs=3", "train.precision=float16")
    train(dstoolkit, corpus, tmp_path / "whole", *settings)
    monkeypatch.setattr(Step, "take", interrupted)
    train(dstoolkit, corpus, tmp_path / "exp", *settings, status=130)
    monkeypatch.setattr(Step, "take", take)
    train(dstoolkit, corpus, tmp_path / "exp", *settings)
    states = [torch.load(tmp_path / each / "last.pt", weights_only=True) for each in ("whole", "exp")]
    assert states[0]["step"] == states[1]["step"]
    for name, each in states[0]["model"].items():
        torch.testing.assert_close(states[1]["model"][name], each, rtol=0.02, atol=2e-3, msg=name)


def test_compiled(corpus, tmp_path, dstoolkit):
    train(dstoolkit, corpus, tmp_path / "exp", "train.epochs=2", "train.compile=true")
    assert len(errors(tmp_path / "exp")) == 2
