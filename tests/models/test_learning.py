"""Each encoder learns, in a few dozen steps, to hear bumps in noise: what no check of shapes and gradients shows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dstoolkit.models.conformer import Conformer, ConformerConfig
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.models.deepspeech import DeepSpeech, DeepSpeechConfig
from dstoolkit.models.deepspeech2 import DeepSpeech2, DeepSpeech2Config

SYMBOLS, LENGTH, FRAMES = 4, 4, 80
SIZES = {"size": 32, "layers": 2}
ENCODERS = {
    "deepspeech": (DeepSpeech, DeepSpeechConfig(**SIZES, kernels=32)),
    "forwards": (DeepSpeech, DeepSpeechConfig(**SIZES, kernels=32, rnn="rnn", bidirectional=False, lookahead=4)),
    "deepspeech2": (DeepSpeech2, DeepSpeech2Config(**SIZES, channels=(8,), stride=4, rnn="gru")),
    "conformer": (Conformer, ConformerConfig(**SIZES)),
}


def bumps(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise ``(count, FRAMES, 20)`` with eight frames of each symbol's four values raised, and the symbols."""
    frames = 0.3 * torch.randn(count, FRAMES, 20, generator=generator)
    symbols = torch.randint(1, SYMBOLS + 1, (count, LENGTH), generator=generator)
    starts = torch.arange(LENGTH) * 20 + torch.randint(0, 11, (count, LENGTH), generator=generator)
    for each, (row, places) in enumerate(zip(symbols.tolist(), starts.tolist(), strict=True)):
        for symbol, start in zip(row, places, strict=True):
            frames[each, start : start + 8, 4 * symbol : 4 * symbol + 4] += 1.5
    return frames, symbols


@pytest.mark.parametrize("name", ENCODERS)
def test_new_utterances_are_read(name):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    encoder, config = ENCODERS[name]
    model = CTCModel(encoder(config, 20), SYMBOLS + 1).train()
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    lengths = torch.full((16,), FRAMES)
    for _ in range(60):
        frames, symbols = bumps(16, generator)
        logits, ends = model(frames, lengths)
        scores = logits.log_softmax(2).transpose(0, 1)
        loss = nn.functional.ctc_loss(scores, symbols, ends, torch.full((16,), LENGTH))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    frames, symbols = bumps(16, generator)
    best = model.eval().log_probs(frames, lengths)[0].argmax(2)
    read = [[token for token in torch.unique_consecutive(row).tolist() if token] for row in best]
    assert sum(found == true for found, true in zip(read, symbols.tolist(), strict=True)) >= 14
