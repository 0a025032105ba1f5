"""Our encoders pass the contract of ``dstoolkit.testing`` with options that are not the default too."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dstoolkit.models.conformer import Conformer, ConformerConfig
from dstoolkit.models.deepspeech import DeepSpeech, DeepSpeechConfig
from dstoolkit.models.deepspeech2 import DeepSpeech2, DeepSpeech2Config
from dstoolkit.testing import Subject, parametrize_with_checks

SIZES = {"size": 12, "layers": 2}
BLOCKS = {"size": 16, "channels": 4, "kernel_size": 5}
FORWARDS = {"bidirectional": False, "lookahead": 4}

SUBJECTS = [
    Subject(DeepSpeech, DeepSpeechConfig(**SIZES, kernels=16, intermediate=(1,))),
    Subject(DeepSpeech, DeepSpeechConfig(**SIZES, kernels=16, rnn="rnn", **FORWARDS)),
    Subject(DeepSpeech2, DeepSpeech2Config(**SIZES, channels=(4, 4, 4), rnn="rnn", intermediate=(1,))),
    Subject(DeepSpeech2, DeepSpeech2Config(**SIZES, channels=(4,), stride=4, rnn="gru", **FORWARDS)),
    Subject(Conformer, ConformerConfig(**BLOCKS, layers=3, layer_drop=0.2, intermediate=(1, 2))),
    Subject(Conformer, ConformerConfig(**BLOCKS, layers=1, stride=8, heads=1)),
]


@parametrize_with_checks(SUBJECTS)
def test_the_contract(check):
    check()


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: f"{subject.cls.name}-{subject.config.layers}")
def test_bfloat16_autocast_stays_near_float32(subject):
    """On clear input: a wrong type somewhere raises, and sums in bfloat16 would be far off."""
    torch.manual_seed(0)
    encoder = subject.cls(subject.config, 40).eval()
    frames, lengths = torch.randn(2, 60, 40), torch.tensor([60, 41])
    expected = encoder(frames, lengths)[0]
    with torch.autocast("cpu", torch.bfloat16):
        output, ends = encoder(frames, lengths)
    for at, end in enumerate(ends.tolist()):
        similarity = nn.functional.cosine_similarity(output[at, :end].float(), expected[at, :end])
        assert similarity.mean() > 0.99
    with torch.autocast("cpu", torch.bfloat16):
        outputs = encoder.train()(frames, lengths)[0]
        total = sum(each.float().square().mean() for each in (outputs if isinstance(outputs, list) else [outputs]))
    total.backward()
    assert all(each.grad.dtype == torch.float32 and each.grad.isfinite().all() for each in encoder.parameters())
