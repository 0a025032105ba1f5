"""Our own plugins, registered through the same hooks as a stranger's. Each hook imports what it registers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dstoolkit.hookspecs import hookimpl
from dstoolkit.interfaces import Augmentation, Command, Corpus, Decoder, Encoder, Features, Loss, Tokenizer

if TYPE_CHECKING:
    import torch

DSTOOLKIT_API = 1


@hookimpl
def dstoolkit_register_features() -> list[type[Features]]:
    from dstoolkit.features.fbank import Fbank
    from dstoolkit.features.mfcc import Mfcc
    from dstoolkit.features.precomputed import Precomputed
    from dstoolkit.features.spectrogram import Spectrogram

    return [Spectrogram, Fbank, Mfcc, Precomputed]


@hookimpl
def dstoolkit_register_augmentations() -> list[type[Augmentation]]:
    from dstoolkit.features.substitution import SpecSub

    return [SpecSub]


@hookimpl
def dstoolkit_register_encoders() -> list[type[Encoder]]:
    from dstoolkit.models.conformer import Conformer
    from dstoolkit.models.deepspeech import DeepSpeech
    from dstoolkit.models.deepspeech2 import DeepSpeech2
    from dstoolkit.models.layers.encoder import Layers

    return [DeepSpeech, DeepSpeech2, Conformer, Layers]


@hookimpl
def dstoolkit_register_losses() -> list[type[Loss]]:
    from dstoolkit.ctc.loss import CTCLoss

    return [CTCLoss]


@hookimpl
def dstoolkit_register_decoders() -> list[type[Decoder]]:
    from dstoolkit.decoding.beam import Beam
    from dstoolkit.decoding.greedy import Greedy

    return [Beam, Greedy]


@hookimpl
def dstoolkit_register_tokenizers() -> list[type[Tokenizer]]:
    from dstoolkit.text.characters import Characters
    from dstoolkit.text.pieces import SentencePiece

    return [Characters, SentencePiece]


@hookimpl
def dstoolkit_register_corpora() -> list[type[Corpus]]:
    from dstoolkit.corpora.an4 import An4
    from dstoolkit.corpora.fsdd import Fsdd
    from dstoolkit.corpora.librispeech import LibriSpeech
    from dstoolkit.corpora.prompts import Prompts
    from dstoolkit.corpora.yesno import YesNo

    return [An4, Fsdd, LibriSpeech, Prompts, YesNo]


@hookimpl
def dstoolkit_register_commands() -> list[type[Command]]:
    from dstoolkit.cli.align import AlignCommand
    from dstoolkit.cli.corpus import CorpusCommand
    from dstoolkit.cli.data import DataCommand
    from dstoolkit.cli.decode import DecodeCommand
    from dstoolkit.cli.features import FeaturesCommand
    from dstoolkit.cli.lm import LmCommand
    from dstoolkit.cli.model import ModelCommand
    from dstoolkit.cli.plugins import PluginsCommand
    from dstoolkit.cli.score import ScoreCommand
    from dstoolkit.cli.tokenizer import TokenizerCommand
    from dstoolkit.cli.train import TrainCommand
    from dstoolkit.cli.transcribe import TranscribeCommand

    return [
        AlignCommand,
        CorpusCommand,
        DataCommand,
        DecodeCommand,
        FeaturesCommand,
        LmCommand,
        ModelCommand,
        PluginsCommand,
        ScoreCommand,
        TokenizerCommand,
        TrainCommand,
        TranscribeCommand,
    ]


@hookimpl(trylast=True)
def dstoolkit_make_optimizer(
    settings: Mapping[str, Any], parameters: Iterable[torch.nn.Parameter]
) -> torch.optim.Optimizer | None:
    from dstoolkit.training.optim import make_optimizer

    return make_optimizer(settings, parameters)


@hookimpl(trylast=True)
def dstoolkit_make_scheduler(
    settings: Mapping[str, Any], optimizer: torch.optim.Optimizer, total_steps: int
) -> torch.optim.lr_scheduler.LRScheduler | None:
    from dstoolkit.training.schedules import make_scheduler

    return make_scheduler(settings, optimizer, total_steps)
