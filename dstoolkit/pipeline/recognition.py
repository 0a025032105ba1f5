"""A trained recogniser: what ``exp/TAG`` holds, built again, and applied to an archive.

``exp/TAG/best.pt`` keeps the weights, the whole configuration and the normalisation; ``exp/TAG/tokenizer`` the
vocabulary. Nothing else is needed, the training data least of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dstoolkit import config, plugins
from dstoolkit.data.archive import Archive
from dstoolkit.data.batches import pad
from dstoolkit.errors import ArchiveError, ConfigError, DataError, DstoolkitError, Faults
from dstoolkit.features.cmvn import Cmvn, speaker_statistics
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.pipeline import checkpoint
from dstoolkit.pipeline.experiment import Experiment, from_plain
from dstoolkit.pipeline.vocabulary import Vocabulary

BATCH_FRAMES = 12000  # frames in a decoding batch, padding included: two minutes of speech


def experiment_of(folder: Path, name: str = "best.pt", state: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment that the checkpoint in ``exp/TAG`` was trained as. Raises DataError or ConfigError."""
    try:
        return from_plain((state or checkpoint.load(folder / name))["config"], str(folder / name))
    except KeyError as error:
        raise DataError(folder / name, "a checkpoint without its configuration", "", "train again") from error


def build_model(experiment: Experiment, input_dim: int, vocab: int) -> CTCModel:
    """The encoder that the experiment names, and the dense layer. Raises ConfigError or PluginError."""
    encoder, options = plugins.choose("encoders", experiment.encoder)
    try:
        return CTCModel(encoder(options, input_dim), vocab)
    except (TypeError, ValueError) as error:
        raise ConfigError(experiment.encoder.where, str(error)) from error
    except (ConfigError, Faults) as error:
        Faults.check(config.within(error, experiment.encoder.where))
        raise


def subsampling(model: CTCModel) -> int:
    """Input frames per output frame."""
    frames = 9600  # long enough that a model's borders do not matter
    outputs = int(model.encoder.output_lengths(torch.tensor([frames]))[0])  # type: ignore[operator]
    return max(1, round(frames / max(outputs, 1)))


class Frames:
    """Normalised frames of an archive by index: ``(frames, dim)`` float32."""

    def __init__(self, archive: Archive, cmvn: Cmvn) -> None:
        self.archive, self.cmvn = archive, cmvn
        self.speakers = speaker_statistics(archive) if cmvn.kind == "speaker" else {}

    def __getitem__(self, index: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        return self.normalised(index, self.archive.frames(index))

    def normalised(self, index: int, frames: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """``frames``, which are some form of the utterance's own, normalised as they are."""
        return self.cmvn.apply(frames, self.speakers.get(self.archive.speakers[index]))


@dataclass
class Recogniser:
    """A model in ``eval`` mode and all it takes to use it. ``frame_shift`` is the output frames', in seconds."""

    model: CTCModel
    experiment: Experiment
    vocabulary: Vocabulary
    cmvn: Cmvn
    extractor: dict[str, Any]  # what the training archive says of its features
    frame_shift: float
    device: torch.device

    @classmethod
    def load(cls, folder: Path, device: str = "cpu", name: str = "best.pt") -> Recogniser:
        """From ``exp/TAG``. Raises DataError where it holds no finished training."""
        if not (folder / name).exists():
            raise DataError(folder, f"no '{name}'", "expected a training's folder", "run 'dstoolkit train' first")
        state = checkpoint.load(folder / name)
        experiment, vocabulary = experiment_of(folder, name, state), Vocabulary.load(folder / "tokenizer")
        return cls.build(folder / name, experiment, vocabulary, state, device, "train again")

    @classmethod
    def build(
        cls,
        where: object,
        experiment: Experiment,
        vocabulary: Vocabulary,
        state: Mapping[str, Any],
        device: str,
        advice: str,
    ) -> Recogniser:
        """From what was read ``where``: ``state`` has the ``weights``, ``input_dim``, ``cmvn`` and ``extractor``.

        Raises DataError, with the ``advice``, where these do not fit one another.
        """
        try:
            model = build_model(experiment, state["input_dim"], vocabulary.size)
            model.load_state_dict(state["weights"])
            cmvn, extractor = Cmvn.from_dict(state["cmvn"]), state["extractor"]
            if cmvn.mean is not None and np.shape(cmvn.mean) != (state["input_dim"],):
                raise ValueError(f"a mean of {np.shape(cmvn.mean)} for {state['input_dim']} values a frame")
            shift = extractor["frame_shift"] * subsampling(model)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            found = " ".join(str(error).split())[:200]
            raise DataError(where, f"does not fit its configuration: {found}", "", advice) from error
        return cls(model.eval().to(device), experiment, vocabulary, cmvn, extractor, shift, torch.device(device))

    def check_archive(self, archive: Archive) -> None:
        """Raises ArchiveError, all faults at once, where its features are not those the model was trained on."""
        faults: list[DstoolkitError] = []
        for key, found in describe(archive).items():
            wanted = self.extractor[key]
            if found != wanted:
                faults.append(
                    ArchiveError(archive.path, f"{key} is {found!r}", f"the model expects {wanted!r}", "extract anew")
                )
        Faults.check(faults)

    def log_probs(self, rows: Sequence[np.ndarray[Any, Any]]) -> tuple[Tensor, Tensor]:
        """Normalised frames of a few utterances -> ``(batch, frames, vocab)`` natural logs and lengths, on the CPU."""
        frames, lengths = pad(rows)
        with one_thread():
            output, output_lengths = self.model.log_probs(
                torch.from_numpy(frames).to(self.device), torch.from_numpy(lengths).to(self.device)
            )
        return output.cpu(), output_lengths.cpu()


@contextmanager
def one_thread() -> Iterator[None]:
    """The network runs in one thread: sums taken by several come out differently in their last digits, and with them,
    now and then, a word. More processors are used by more processes (``--nj``), and by decoders."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def describe(archive: Archive) -> dict[str, Any]:
    """What must agree between the archive a model was trained on and those it is used on, as plain values."""
    return {
        "extractor": archive.extractor,
        "config": config.plain(archive.config),
        "dim": archive.dim,
        "frame_shift": float(archive.frame_shift),
        "sample_rate": int(archive.sample_rate),
    }


def best_device(wanted: str = "auto") -> str:
    """What ``wanted`` says; for ``auto`` the first of NVIDIA's GPUs (``cuda``), Apple's (``mps``) and ``cpu`` here.

    Raises ConfigError for one that is not, or that is none.
    """
    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, there in usable.items() if there)
    kind, _, number = wanted.partition(":")
    if kind not in usable or (number and not number.isdigit()):
        raise ConfigError("--device", f"{wanted!r}", "expected auto, cpu, cuda, cuda:N or mps", "")
    beyond = number and (kind != "cuda" or int(number) >= torch.cuda.device_count())
    if not usable[kind] or beyond:
        advice = "install a CUDA build of torch or use 'cpu'" if kind == "cuda" else "use 'cpu'"
        raise ConfigError("--device", f"{wanted!r} is not usable here", "", advice)
    return wanted
