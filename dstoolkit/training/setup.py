"""From paths and an experiment to a training in its folder: checked first, begun once, gone on with, finished once.

``exp/TAG`` holds ``begun.json`` (the stamp of the run, from its first moment), the resolved ``config.yaml``, the
``tokenizer``, ``last.pt`` and ``best.pt``, ``metrics.jsonl``, ``curves.png`` and, once the training is at its end,
``stamp.json``.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dstoolkit import config, plugins, stamp
from dstoolkit.data.archive import Archive
from dstoolkit.data.batches import Batches
from dstoolkit.data.datadir import read_text
from dstoolkit.errors import ArchiveError, ConfigError, DataError, DstoolkitError, Faults, StampError, few
from dstoolkit.features import cmvn as normalisation
from dstoolkit.features.augment import Augment
from dstoolkit.features.whitening import Whitening
from dstoolkit.interfaces import BLANK
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.pipeline import augmentations, checkpoint, heard
from dstoolkit.pipeline.experiment import Experiment, TrainConfig
from dstoolkit.pipeline.recognition import build_model, describe
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.training import order, schedules
from dstoolkit.training.clocks import Clocks
from dstoolkit.training.dataset import Dataset
from dstoolkit.training.distributed import world
from dstoolkit.training.health import warn
from dstoolkit.training.inspection import inspect
from dstoolkit.training.state import LAST, Parts
from dstoolkit.training.trainer import Trainer

BEGUN = "begun.json"
# Options of the section train that do not change what comes out, or only when it ends: a training may go on with
# others.
NEUTRAL = ("workers", "checkpoint_minutes", "stop_after", "show", "minutes", "minutes_of")
# Options of that section which came later: at their defaults they are no difference to trainings begun without them.
LATER = {"dev_batches": Batches(), "length_scale": 0.0, "consistency": 0.0, "keep": "best"}

log = logging.getLogger("dstoolkit")


@dataclass(frozen=True)
class Sources:
    """What a training reads: data directories with ``features.h5`` and ``text``, and a tokenizer's folder.

    ``initial`` is a trained recogniser's folder, or a file like its ``best.pt``, whose weights are begun with; None:
    random ones.
    """

    train: Path
    dev: Path
    tokenizer: Path
    initial: Path | None = None

    @property
    def weights(self) -> Path | None:
        """The file of the initial weights."""
        return self.initial / "best.pt" if self.initial is not None and not self.initial.is_file() else self.initial

    def files(self) -> dict[str, Path]:
        found = {"tokenizer": self.tokenizer}
        if self.weights is not None:
            found["initial"] = self.weights
        for name, folder in (("train", self.train), ("dev", self.dev)):
            found |= {f"{name}/text": folder / "text", f"{name}/features.h5": folder / "features.h5"}
        return found

    def check(self) -> None:
        """Raises Faults naming all that is missing."""
        advice = {
            "best.pt": "--init names a trained recogniser's folder",
            "features.h5": "run 'dstoolkit features extract' first",
            "tokenizer": "run 'dstoolkit tokenizer train'",
        }
        Faults.check(
            DataError(path, "no such file or folder", "", advice.get(path.name, advice.get(name, "")))
            for name, path in self.files().items()
            if not path.exists()
        )

    def digests(self) -> dict[str, str]:
        """A digest per input; an archive's is that of its stamp, if it has one."""
        return {name: stamp.origin(path) for name, path in self.files().items()}


def train(folder: Path, experiment: Experiment, sources: Sources, device: str, force: bool = False) -> bool:
    """Train into ``folder``, one of several processes where torchrun started it; False where that was done already.

    Raises DstoolkitError for what the user can mend.
    """
    sources.check()
    schedules.check(experiment.train)
    with world(device) as (own, device):
        wanted = made_from(experiment, sources)
        if own.follow(own.main and is_done(folder, wanted, force, experiment.train)):
            return False
        torch.manual_seed(experiment.seed)
        parts = build(experiment, sources, torch.device(device))
        if own.main:
            begin(folder, wanted, config.plain(experiment), sources.tokenizer)
        own.follow(None)  # nobody goes on before the folder is there
        Trainer(parts, folder, own).fit()
        if own.main:
            stamp.write(folder, wanted)
        return True


def made_from(experiment: Experiment, sources: Sources) -> stamp.Stamp:
    """The stamp: all that the result depends on, which ``NEUTRAL`` options, snapshots that are not validated and the
    device are not part of."""
    settings = config.plain(experiment)
    without = [*NEUTRAL, *(name for name, usual in LATER.items() if getattr(experiment.train, name) == usual)]
    if not experiment.train.snapshots.validation:
        without.append("snapshots")
    settings["train"] = {name: value for name, value in settings["train"].items() if name not in without}
    augmenting = {**experiment.augment.inputs(), **augmentations.inputs(experiment.augment.plugins)}
    more = {f"augment.{name}": path for name, path in augmenting.items()}
    if isinstance(experiment.cmvn, Whitening) and experiment.cmvn.statistics:
        more["cmvn.statistics"] = Path(experiment.cmvn.statistics)
    Faults.check(ConfigError(name, f"no file or folder '{path}'") for name, path in more.items() if not path.exists())
    digests = {name.replace(".", "/", 1): stamp.origin(path) for name, path in more.items()}
    return stamp.Stamp("train", settings, {**sources.digests(), **digests})


def is_done(folder: Path, wanted: stamp.Stamp, force: bool, options: TrainConfig) -> bool:
    """True for a finished run of the same; a begun one of the same is gone on with, and so is one that the time ended
    and that has more now. Raises StampError for another."""
    if force:
        stamp.remove(folder)
    elif (folder / BEGUN).exists() and stamp.read(folder) is None:
        lines = stamp.differences(read_begun(folder), wanted)
        if lines:
            advice = "pass --force to begin anew"
            raise StampError(folder, f"was begun differently: {', '.join(lines[:4])}", "", advice)
        return False
    if not stamp.is_done(folder, wanted):
        return False
    if more := has_time(folder, options):
        stamp.remove(folder / stamp.STAMP)
    return not more


def has_time(folder: Path, options: TrainConfig) -> bool:
    """Whether the finished training was ended by the time, and has some left by these options."""
    if not (folder / LAST).exists():
        return False
    state = checkpoint.load(folder / LAST, lazily=True)
    clocks = Clocks(options.minutes, options.minutes_of)
    clocks.load_state_dict(state.get("clocks", {}))
    return not (state["stopped"] or clocks.over or 0 < options.epochs <= state["epoch"])


def read_begun(folder: Path) -> stamp.Stamp:
    try:
        found = json.loads((folder / BEGUN).read_text(encoding="utf-8"))
        return stamp.Stamp(found["command"], found["config"], found["inputs"])
    except (ValueError, KeyError, TypeError) as error:
        raise StampError(folder / BEGUN, "not a stamp", "", "pass --force to begin anew") from error


def begin(folder: Path, wanted: stamp.Stamp, settings: Mapping[str, Any], tokenizer: Path) -> None:
    """Make the run's folder with all it needs but the weights, whole or not at all."""
    if (folder / BEGUN).exists():
        return
    with stamp.building(folder, wanted) as partial:
        shutil.copytree(tokenizer, partial / "tokenizer")
        stamp.write_text(partial / "config.yaml", config.dump(settings))
        stamp.write_text(partial / BEGUN, json.dumps(wanted.as_dict(), indent=1, sort_keys=True) + "\n")
    (folder / stamp.STAMP).unlink()  # begun, not finished


def build(experiment: Experiment, sources: Sources, device: torch.device) -> Parts:
    """Open the inputs and build what the experiment names. Raises Faults."""
    archives = [Archive(each / "features.h5") for each in (sources.train, sources.dev)]
    check_archives(experiment, *archives)
    vocabulary = Vocabulary.load(sources.tokenizer)
    check_vocabulary(experiment, vocabulary, sources.tokenizer)
    cmvn = normalisation.fitted(experiment.cmvn, archives[0])
    bucket = experiment.train.batches.bucket
    kinds = (experiment.augment, bucket), (Augment(), experiment.train.dev_batches.bucket or bucket)
    datasets = []
    for archive, folder, (augment, padded) in zip(archives, (sources.train, sources.dev), kinds, strict=True):
        texts = read_text(folder / "text")
        source = heard.source(archive, folder, cmvn, augment)
        datasets.append(Dataset(source, texts, vocabulary, padded))
        if not datasets[1:] or sources.dev != sources.train:  # what is wrong with the same data is told once
            inspect(archive, vocabulary, texts)
    train, dev = datasets
    model = build_model(experiment, archives[0].dim, vocabulary.size)
    for what, spare in {"the network": model.spare, **model.spares}.items():
        if spare:
            ends = f"{what} ends in {vocabulary.size + spare} values, the vocabulary in {vocabulary.size}"
            warn(f"{ends}: the last {spare} are not used")
    if sources.weights is not None:
        begin_with(model, sources.weights)
    leave_out(train, experiment.train, lambda lengths: torch.stack(model.every_lengths(lengths)).amin(dim=0))
    order.check(train, experiment.train.batches, "train.batches")
    order.check(dev, experiment.train.dev_batches, "train.dev_batches")
    loss, loss_options = plugins.choose("losses", experiment.loss)
    plugins.choose("decoders", experiment.decoder)  # not needed here, but faults of it are best known now
    decoder, decoder_options = plugins.choose("decoders", experiment.train.decoder)
    keepsake = {
        "config": config.plain(experiment),
        "cmvn": cmvn.to_dict(),
        "extractor": describe(archives[0]),
        "input_dim": archives[0].dim,
    }
    decode = decoder(decoder_options, vocabulary.tokenizer)
    return Parts(experiment, model, loss(loss_options, BLANK), decode, train, dev, device, keepsake)


def begin_with(model: CTCModel, path: Path) -> None:
    """Give ``model`` the weights of a trained recogniser. Raises DataError or Faults where they are of another."""
    weights = checkpoint.load(path).get("weights", {})
    found, wanted = ({name: tuple(each.shape) for name, each in some.items()} for some in (weights, model.state_dict()))
    Faults.check(
        DataError(path, f"{name} is {found.get(name, 'absent')}", f"the experiment's is {wanted.get(name, 'absent')}")
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    )
    model.load_state_dict(weights)


def check_archives(experiment: Experiment, train: Archive, dev: Archive) -> None:
    """Raises Faults where the two archives differ in kind, or are not of the features the experiment names."""
    faults: list[DstoolkitError] = []
    wanted = describe(train)
    for key, found in describe(dev).items():
        if found != wanted[key]:
            faults.append(ArchiveError(dev.path, f"{key} is {found!r}", f"'{train.path}' has {wanted[key]!r}"))
    if experiment.features.name != train.extractor:
        said = f"the experiment names features {experiment.features.name!r}"
        faults.append(ConfigError(train.path, f"holds {train.extractor!r} features", said, "extract anew"))
    Faults.check(faults)


def check_vocabulary(experiment: Experiment, vocabulary: Vocabulary, folder: Path) -> None:
    """Raises Faults where the tokenizer's folder was made with another ``text`` or ``tokenizer`` section."""
    options = plugins.choose("tokenizers", experiment.tokenizer)[1]
    tokenizer = {"name": experiment.tokenizer.name, **config.plain(options)}
    pairs = {
        "text": (config.plain(vocabulary.normalization), config.plain(experiment.text)),
        "tokenizer": (config.plain(vocabulary.choice), tokenizer),
    }
    Faults.check(
        ConfigError(folder, f"made with {section} {found}", f"the experiment says {wanted}", "train the tokenizer anew")
        for section, (found, wanted) in pairs.items()
        if found != wanted
    )


def leave_out(dataset: Dataset, options: TrainConfig, output_lengths: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Leave out, and name, utterances beyond the length limits and those with fewer output frames than their text
    needs. Raises DataError where none is left."""
    path, shift = dataset.archive.path, dataset.archive.frame_shift
    needed = np.asarray([len(each) + int((each[1:] == each[:-1]).sum()) for each in dataset.targets])
    frames = output_lengths(torch.from_numpy(dataset.lengths)).numpy()
    seconds = dataset.lengths * shift
    reasons = {
        "too short for their text": (frames < needed) | (frames == 0),
        f"shorter than train.min_seconds, {options.min_seconds:g} s": seconds < options.min_seconds,
        f"longer than train.max_seconds, {options.max_seconds:g} s": seconds > (options.max_seconds or np.inf),
    }
    out = np.zeros(len(needed), bool)
    for reason, which in reasons.items():
        if which.any():
            names = dataset.names(np.flatnonzero(which))
            warn(f"{path}: {len(names)} left out, {reason}: {few(names)}")
            log.info("left out, %s: %s", reason, " ".join(names))
        out |= which
    if out.all():
        raise DataError(path, "every utterance is left out", "", "use a smaller encoder.stride or other limits")
    dataset.keep(np.flatnonzero(~out))
