"""Windows laid end to end give back the recording; outputs of a network of finite context are those of one piece."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from dstoolkit.data import audio
from dstoolkit.errors import DstoolkitError
from dstoolkit.features.cmvn import Cmvn
from dstoolkit.pipeline import windows
from dstoolkit.pipeline.listening import Listener
from dstoolkit.pipeline.recognition import Recogniser
from tests import toy


@pytest.mark.parametrize("seconds", [0.5, 2.0, 2.01, 3.6, 9.33])
def test_what_windows_keep_is_the_recording(seconds: float) -> None:
    layout = windows.lay_out(100, 0.01, 4, 2.0, 0.2)
    whole = np.arange(round(seconds * 100), dtype=np.float32)
    found = list(layout.windows(np.array_split(whole, 7)))
    np.testing.assert_array_equal(np.concatenate([e.samples[layout.kept(e, len(e.samples))] for e in found]), whole)
    assert all(each.samples[0] % 4 == 0 for each in found)


@pytest.mark.parametrize(("chunk", "overlap"), [(0, 0), (2, 1), (2, 0), (2, -1), (float("nan"), 1), (0.03, 0.01)])
def test_windows_that_cannot_be(chunk: float, overlap: float) -> None:
    with pytest.raises(DstoolkitError, match=r"--chunk|--overlap"):
        windows.lay_out(100, 0.01, 4, chunk, overlap)


class Convolution(torch.nn.Module):
    """Nine frames of context, every second frame, as an encoder has it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv1d(toy.DIM, 5, 9, 2, 4)

    def log_probs(self, frames, lengths):
        with torch.no_grad():
            return self.layer(frames.transpose(1, 2)).transpose(1, 2).log_softmax(2), self.output_lengths(lengths)

    def output_lengths(self, lengths):
        return (lengths + 1) // 2

    @property
    def encoder(self):
        return self


@pytest.mark.parametrize("kind", ["global", "utterance", "speaker", "none"])
@pytest.mark.parametrize("silent", [False, True])
def test_chunks_equal_one_piece(tmp_path, kind: str, silent: bool) -> None:
    torch.manual_seed(0)
    samples = np.random.default_rng(0).normal(0, 0.0 if silent else 0.1, 8000 * 9 + 123)
    soundfile.write(tmp_path / "a.wav", samples, 8000)
    statistics = (np.zeros(toy.DIM), np.ones(toy.DIM)) if kind == "global" else (None, None)
    extractor = {"extractor": "fbank", "config": {"num_mel_bins": toy.DIM}, "sample_rate": 8000}
    model = Convolution()
    made = Recogniser(model, None, None, Cmvn(kind, *statistics), extractor, 0.02, torch.device("cpu"))  # type: ignore[arg-type]
    found = [
        torch.cat([e.log_probs for e in Listener(made, *each).listen(tmp_path / "a.wav")])
        for each in ((20, 2), (2, 0.3))
    ]
    assert torch.isfinite(found[0]).all()
    rounded = silent and kind == "utterance"  # a float32 mean's last digit, over the root of the variance's floor
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0.03 if rounded else 2e-4)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100])
def test_blocks_are_what_read_gives(tmp_path, rate: int) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, (400_000, 2))
    soundfile.write(tmp_path / "a.flac", samples, rate)
    found = list(audio.blocks(tmp_path / "a.flac", channel="mix", rate=16000))
    assert len(found) > 2
    np.testing.assert_array_equal(np.concatenate(found), audio.read(tmp_path / "a.flac", channel="mix", rate=16000)[0])
