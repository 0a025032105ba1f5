"""The plugin API on one page: one abstract class per kind of plugin, and the few records they exchange.

Every class has a ``name`` (how a configuration chooses it), a ``Config`` (a frozen stdlib dataclass: each option with a
default and its unit) and the methods below. A complete encoder, in a package of its own, is:

    # my_package/encoder.py
    import dataclasses
    import torch
    from dstoolkit.interfaces import Encoder

    @dataclasses.dataclass(frozen=True)
    class Config:
        size: int = 256  # units

    class Dense(Encoder, torch.nn.Module):
        '''One layer of rectified units per frame.'''

        name = "dense"
        Config = Config

        def __init__(self, config, input_dim):
            torch.nn.Module.__init__(self)
            self.output_dim = config.size
            self.layer = torch.nn.Linear(input_dim, config.size)

        def forward(self, frames, lengths):
            return torch.relu(self.layer(frames)), self.output_lengths(lengths)

        def output_lengths(self, lengths):
            return lengths

    # my_package/plugin.py, named by an entry point in the group "dstoolkit"
    from dstoolkit.hookspecs import hookimpl
    DSTOOLKIT_API = 1

    @hookimpl
    def dstoolkit_register_encoders():
        from my_package.encoder import Dense
        return [Dense]

After ``pip install`` a configuration says ``encoder: {name: dense, size: 512}``, and ``dstoolkit plugins check dense``
runs the contract of ``dstoolkit.testing`` on it. This module imports neither torch nor numba, and so may be imported
anywhere. Shapes are written ``(batch, frames, dim)``; audio is float32 in [-1, 1]; times are in seconds, rates in Hz.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import click
    import numpy as np
    import torch
    from typing_extensions import Self

    FloatArray = np.ndarray[Any, np.dtype[np.float32]]

BLANK = 0  # the token id of CTC's blank in every tokenizer


@dataclass(frozen=True)
class Utterance:
    """One utterance of a corpus: a stretch of one recording, who said it and what was said.

    ``path`` is the recording (or, in a directory of precomputed features, what ``feats.scp`` says: a file, or
    ``file.ark:offset``). ``start`` and ``end`` are in seconds; ``end`` None is the recording's end. ``text`` is None
    where no transcript is known. ``recording`` names the recording; empty means it is named like the utterance.
    """

    id: str
    path: str
    speaker: str
    text: str | None = None
    start: float = 0.0
    end: float | None = None
    recording: str = ""


@dataclass(frozen=True)
class Preparation:
    """What a corpus gives: its splits, and notes on what was left out and why, a line each."""

    splits: Mapping[str, Sequence[Utterance]]
    notes: Sequence[str] = ()
    source: str = "wav.scp"  # or "feats.scp": the utterances' paths are feature files


@dataclass(frozen=True)
class Word:
    """A word of a hypothesis: its span in seconds and a confidence in [0, 1]."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Hypothesis:
    """One decoded text. ``score`` is what hypotheses are ranked by (natural log); larger is better.

    ``tokens`` are token ids without blanks; ``frames`` the output frame at which each token begins;
    ``confidences`` one value in [0, 1] per token. Where a decoder leaves frames, confidences and words empty,
    recognition fills them in by forced alignment. ``acoustic`` is the network's log-probability of the tokens (None:
    the score), ``lm`` the language model's of the text, unweighted; what else a score holds is the decoder's own.
    """

    text: str
    score: float
    tokens: tuple[int, ...] = ()
    frames: tuple[int, ...] = ()
    confidences: tuple[float, ...] = ()
    words: tuple[Word, ...] = ()
    acoustic: float | None = None
    lm: float = 0.0


@dataclass(frozen=True)
class Outlet:
    """One of the outputs by which an encoder is trained together, as ``Encoder.outlets`` has them.

    ``dim`` values per frame; ``logits``: these are the vocabulary's, the blank's first, and no dense layer follows.
    The training minimises the sum of the outlets' losses, each times its ``weight``.
    """

    name: str
    dim: int
    logits: bool = False
    weight: float = 1.0


@dataclass
class Run:
    """A training in progress, as the observing hooks see it."""

    folder: Path
    config: Mapping[str, Any]
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    step: int = 0
    extras: dict[str, Any] = field(default_factory=dict)  # a plugin's own notes, kept for the run's lifetime
    predictions: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # utterance -> truth, prediction: the last
    # validation's
    save: Callable[[Path], None] | None = None  # writes the weights, as they are validated, to a file like best.pt


class Plugin(ABC):
    """What all kinds share."""

    name: ClassVar[str]  # how a configuration or a command line chooses it
    Config: ClassVar[type]  # a frozen dataclass: each option with a default
    expected_failures: ClassVar[Mapping[str, str]] = {}  # checks of dstoolkit.testing it cannot pass -> the reason


class Features(Plugin):
    """Turns one utterance into frames. Constructed with its ``Config`` and the sample rate of the audio in Hz.

    ``source`` names the data directory's file that it reads: ``wav.scp`` (audio, through ``extract``) or ``feats.scp``
    (frames computed elsewhere, through ``load``; ``sample_rate`` is then 0).
    """

    source: ClassVar[str] = "wav.scp"

    @abstractmethod
    def __init__(self, config: Any, sample_rate: int) -> None: ...

    @property
    @abstractmethod
    def dim(self) -> int:
        """Values per frame."""

    @property
    @abstractmethod
    def frame_shift(self) -> float:
        """Seconds from one frame to the next."""

    @abstractmethod
    def num_frames(self, num_samples: int) -> int:
        """How many frames ``extract`` gives for so many samples."""

    def extract(self, samples: FloatArray) -> FloatArray:
        """``(num_samples,)`` float32 in [-1, 1] -> ``(num_frames, dim)`` float32, finite everywhere."""
        raise TypeError(f"features {self.name!r} read {self.source}, not audio")

    def load(self, location: str) -> FloatArray:
        """What ``feats.scp`` says -> ``(num_frames, dim)`` float32. Raises DataError where the file is faulty."""
        raise TypeError(f"features {self.name!r} read {self.source}, not feature files")

    def warping(self, factor: float) -> FloatArray:
        """Optional: ``(dim, dim)`` float32, which makes of a frame one of another length of the vocal tract.

        The value at a frequency is to come from about ``factor`` times it (``augment: {vtlp: 0.1}``). Raises
        ConfigError where the options leave no such matrix.
        """
        raise TypeError(f"features {self.name!r} cannot be warped in frequency")

    def masking(self, first: float, last: float) -> FloatArray:
        """Optional, of cepstra: ``(dim, dim)`` float32, which takes a band out of a frame's deviation from the mean.

        The band goes from ``first`` to ``last``, shares of the filterbank (``augment: {band_masks: 2}``).
        """
        raise TypeError(f"features {self.name!r} are no cepstra")

    def loudness(self, frames: FloatArray) -> FloatArray:
        """``(frames, dim)`` -> ``(frames,)``: how loud each frame is, on any rising scale (``augment: {splice: 0.3}``).

        The mean, unless it says otherwise: right for logarithms of spectra.
        """
        level: FloatArray = frames.mean(axis=1)
        return level


class Augmentation(Plugin):
    """Changes what a training hears of an utterance, a little differently each time (``augment: {plugins: [...]}``).

    Constructed with its ``Config``, the features of the archive and the audio's sample rate in Hz (0: not known).
    ``stage`` says what it is called with: ``audio``, samples ``(num_samples,)`` in about [-1, 1], from which features
    are then extracted anew; ``frames``, ``(frames, dim)`` as extracted; ``normalised``, the same after normalisation
    and after the section's own stretching and masks. ``of_features`` names the features it is for; empty: any.
    """

    stage: ClassVar[str] = "normalised"
    of_features: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def __init__(self, config: Any, features: Features, sample_rate: int) -> None: ...

    @classmethod
    def inputs(cls, config: Any) -> Mapping[str, Path]:
        """The files and folders that the options name, by option (``{"codecs": Path("codecs")}``): for the stamp."""
        return {}

    @abstractmethod
    def __call__(self, values: FloatArray, rng: np.random.Generator) -> FloatArray:
        """What its stage is called with -> a new array alike, float32 and finite; ``values`` stay as they are.

        Everything random comes from ``rng``. Batches are planned before: frames keep their ``dim``, and their number
        stays between 1 and twice what it was.
        """


class Encoder(Plugin):
    """Turns frames into encoded frames. Also a ``torch.nn.Module``; constructed with its ``Config`` and ``input_dim``.

    An utterance must give the same output alone and in a padded batch; padding in the input may hold anything. In
    training mode ``forward`` may give a sequence of outputs of one shape, the last layer's first and then inner layers'
    own, all of which go through the dense layer to the vocabulary and into the loss.

    One that has ``outlets``, outputs of any shapes with losses of their own, gives in training mode a sequence of
    outputs and one of their lengths, as ``every`` does in any mode; each goes through a dense layer of its own.
    """

    output_dim: int  # values per output frame
    ends_in_logits: bool = False  # the output is the vocabulary's logits, the blank's first: no dense layer follows
    outlets: Sequence[Outlet] = ()  # the first is the output that is decoded, which ``forward`` gives out of training

    @abstractmethod
    def __init__(self, config: Any, input_dim: int) -> None: ...

    @abstractmethod
    def forward(
        self, frames: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor | Sequence[torch.Tensor], torch.Tensor | Sequence[torch.Tensor]]:
        """``(batch, frames, input_dim)``, ``(batch,)`` -> ``(batch, output_frames, output_dim)``, ``(batch,)``."""

    @abstractmethod
    def output_lengths(self, lengths: torch.Tensor) -> torch.Tensor:
        """The output lengths ``forward`` returns for these input lengths: ``(batch,)`` -> ``(batch,)``."""

    def every(self, frames: torch.Tensor, lengths: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Only where there are ``outlets``: each one's output and lengths, as ``forward`` gives them in training."""
        raise TypeError(f"encoder {self.name!r} has no outlets")

    def every_lengths(self, lengths: torch.Tensor) -> list[torch.Tensor]:
        """Only where there are ``outlets``: each one's output lengths for these input lengths."""
        raise TypeError(f"encoder {self.name!r} has no outlets")


class Loss(Plugin):
    """A sequence loss. Constructed with its ``Config`` and the blank's token id."""

    @abstractmethod
    def __init__(self, config: Any, blank: int = BLANK) -> None: ...

    @abstractmethod
    def __call__(
        self,
        logits: torch.Tensor | Sequence[torch.Tensor],
        logit_lengths: torch.Tensor,
        targets: torch.Tensor,
        target_lengths: torch.Tensor,
    ) -> torch.Tensor:
        """``(batch, frames, vocab)`` logits and ``(batch, max_target)`` padded targets -> ``(batch,)`` losses in nats.

        The losses are differentiable with respect to ``logits``; padding frames get a gradient of exactly 0. An
        utterance whose target cannot be emitted in its frames has an infinite loss. ``logits`` is a sequence,
        the last layer's first, where the encoder gives inner layers' outputs in training; otherwise it is a tensor.
        """


class Decoder(Plugin):
    """Turns log-probabilities into text. Constructed with its ``Config`` and the tokenizer."""

    @abstractmethod
    def __init__(self, config: Any, tokenizer: Tokenizer) -> None: ...

    @classmethod
    def inputs(cls, config: Any) -> Mapping[str, Path]:
        """The files that the options name, by what they are (``{"lm": Path("lm.arpa")}``): for the stamp."""
        return {}

    @abstractmethod
    def decode(self, log_probs: torch.Tensor, lengths: torch.Tensor, frame_shift: float) -> list[list[Hypothesis]]:
        """``(batch, frames, vocab)`` on the CPU, ``(batch,)`` -> per utterance its hypotheses, best first.

        ``frame_shift`` is the output frames' in seconds, for the words' times.
        """


class Tokenizer(Plugin):
    """Turns normalised text into token ids and back. Token 0 is CTC's blank and never comes from ``encode``."""

    @classmethod
    @abstractmethod
    def train(cls, config: Any, texts: Iterable[str]) -> Self:
        """Learn from normalised texts (character sets may ignore them)."""

    @property
    @abstractmethod
    def tokens(self) -> Sequence[str]:
        """All tokens by id, ``tokens[0]`` the blank, written ``<blank>``."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Raises DataError naming the characters it has no token for."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """Blanks are skipped, repeats are kept."""

    @abstractmethod
    def unknown(self, text: str) -> list[str]:
        """The characters of ``text`` that no token covers, in order, repeats kept."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write everything ``load`` needs into an existing folder."""

    @classmethod
    @abstractmethod
    def load(cls, config: Any, folder: Path) -> Self: ...


class Corpus(Plugin):
    """Knows where a corpus comes from and how it is laid out. Constructed with its ``Config``."""

    licence: ClassVar[str]
    source: ClassVar[str]  # where it comes from, for people
    disjoint_texts: ClassVar[bool] = False  # the promise that no text of one split occurs in another

    @abstractmethod
    def __init__(self, config: Any) -> None: ...

    @abstractmethod
    def fetch(self, cache: Path) -> Path:
        """Download and unpack below ``cache`` (or find what a former call left there); return the corpus's folder.

        Raises FetchError; what was fetched by then is kept, so that the next call goes on from there.
        """

    def locate(self, folder: Path, cache: Path) -> Path:
        """The corpus in a user's ``folder``, which may hold archives to unpack below ``cache``. Raises FetchError."""
        return folder

    @abstractmethod
    def prepare(self, folder: Path) -> Preparation:
        """Read the corpus in ``folder`` into splits. Deterministic. Raises DataError with all faults at once."""


class Command(Plugin):
    """A command below ``dstoolkit``. ``help`` is its line in ``dstoolkit --help``; it has no ``Config``."""

    help: ClassVar[str]

    @staticmethod
    @abstractmethod
    def click_command() -> click.Command:
        """The command. Import heavy modules in its callback, not here."""
