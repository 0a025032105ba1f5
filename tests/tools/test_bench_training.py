"""The benchmark of training: the plain model against the encoder itself, spans of a GPU's work, and a run of ours."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.models.deepspeech import DeepSpeech, DeepSpeechConfig
from dstoolkit.pipeline.experiment import TrainConfig
from dstoolkit.training.dataset import Batch

BENCH = Path(__file__).resolve().parent.parent.parent / "tools" / "bench"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCH / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def peers() -> ModuleType:
    return load("training_peers")


def copy_weights(plain: torch.nn.Module, model: CTCModel) -> None:
    """From our parameters to torch's own layers."""
    encoder = model.encoder
    plain.convolution.load_state_dict(encoder.convolution.state_dict())
    for layer, ours in zip(plain.layers, encoder.recurrent, strict=True):
        state = {}
        for suffix, direction in zip(("", "_reverse"), ours.directions, strict=True):
            state |= {f"{name}{suffix}": each for name, each in direction.state_dict().items()}
        layer.load_state_dict(state)
    plain.dense.load_state_dict(model.dense.state_dict())


@pytest.mark.parametrize("packed", [False, True])
def test_the_plain_model_is_the_same_network(peers: ModuleType, packed: bool) -> None:
    """In training mode too, where nothing is padded; packed, the outputs of padded utterances agree in eval mode."""
    torch.manual_seed(0)
    config = DeepSpeechConfig(kernels=6, size=5, layers=2, dropout=0.0)
    model, plain = CTCModel(DeepSpeech(config, 7), 4), peers.PlainModel(config, 7, 4, packed)
    copy_weights(plain, model)
    frames = torch.randn(3, 30, 7)
    lengths = torch.tensor([30, 30, 30])
    torch.testing.assert_close(plain(frames, lengths)[0], model(frames, lengths)[0], rtol=1e-4, atol=1e-5)
    if packed:
        lengths = torch.tensor([30, 21, 9])
        frames[1, 21:], frames[2, 9:] = 0, 0
        (found, steps), (wanted, _) = plain.eval()(frames, lengths), model.eval()(frames, lengths)
        for row, count in enumerate(steps.tolist()):
            torch.testing.assert_close(found[row, :count], wanted[row, :count], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_plain_loop_learns(peers: ModuleType, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    config = DeepSpeechConfig(kernels=8, size=8, layers=1, stride=2, dropout=0.0)
    loop = peers.PlainLoop(peers.PlainModel(config, 5, 4, False), TrainConfig(lr=0.01), dtype)
    lengths = torch.tensor([40, 40])
    targets = torch.tensor([[1, 2, 3], [3, 1, 2]])
    batch = Batch(lengths.numpy(), torch.randn(2, 40, 5), lengths, targets, torch.tensor([3, 3]))
    seen = []
    loop.model.dense.register_forward_hook(lambda module, given, found: seen.append(found.dtype))
    losses = [loop.epoch([batch]) for _ in range(30)]
    assert losses[-1] < losses[0] / 2
    assert set(seen) == {dtype}


def test_a_run_of_ours(tmp_path: Path) -> None:
    written = tmp_path / "found.json"
    size = ["--minutes", "0.1", "--repeats", "1", "--memory-epochs", "2"]
    small = ["--set", "encoder.size=8", "--set", "encoder.kernels=8", "--set", "train.batch_seconds=8"]
    small += ["--set", "train.precision=bfloat16", "--peer-precision", "float32"]
    command = [sys.executable, BENCH / "training.py", *size, *small, "--peers", "same", "--json", written]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    found = json.loads(written.read_text())
    ours, same = found["rows"]
    assert (ours["name"], same["name"]) == ("ours", "same")
    assert ours["speed"] == pytest.approx(60 * found["minutes"] / ours["s"])
    assert same["ratio"] == pytest.approx(same["s"] / ours["s"])
    assert found["precision"] == {"ours": "bfloat16", "peers": "float32"}
    assert 0.1 <= found["minutes"] <= 0.3
    assert 0 <= found["data_wait"] <= 1
    assert len(found["memory"]["mb"]) == 2


@pytest.mark.parametrize(
    ("spans", "total"),
    [([], 0), ([(1, 3), (2, 5)], 4), ([(4, 5), (0, 1), (4.5, 4.75)], 2), ([(0, 9), (1, 2), (8, 10)], 10)],
)
def test_spans_that_overlap_count_once(spans: list[tuple[float, float]], total: float) -> None:
    load("common")
    load("training_peers")
    assert load("training").covered(spans) == total
