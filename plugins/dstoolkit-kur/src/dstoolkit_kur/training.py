"""``dstoolkit train speech.yml``: a Kurfile as an experiment of dstoolkit, trained as any other.

For ``conf/speech.yml`` the prepared data are in ``conf/data/speech``, and the experiment is ``conf/exp/speech``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from dstoolkit import config, stamp
from dstoolkit.errors import ConfigError, DstoolkitError, Faults
from dstoolkit.pipeline import experiment as experiments
from dstoolkit.pipeline.experiment import Experiment
from dstoolkit.pipeline.recognition import best_device
from dstoolkit.training import distributed, setup
from dstoolkit_kur import (
    aims,
    hooks,
    losses,
    observing,
    optimizer,
    provider,
    reading,
    sections,
    stopping,
    supplier,
    weights,
)
from dstoolkit_kur.aims import Aim
from dstoolkit_kur.kurfile import Kurfile
from dstoolkit_kur.node import Node
from dstoolkit_kur.observing import Best, Checkpoint, Latest, Log, Watch
from dstoolkit_kur.options import SpeechRecognition
from dstoolkit_kur.supplier import Data

ENDINGS = (".yml", ".yaml", ".json")
PLACE = "kurfile"  # begins the places in the faults of the experiment that a Kurfile came to
OURS = "experiment."  # --set experiment.train.workers=2: an option of dstoolkit's that Kurfiles have none for
INITIAL, AIM = "initial.pt", "aim.json"  # in the folder of prepared data


@dataclass(frozen=True)
class Places:
    """work: the folder of prepared data. exp: the experiment's."""

    work: Path
    exp: Path

    @classmethod
    def of(cls, path: Path) -> Places:
        return cls(path.parent / "data" / path.stem, path.parent / "exp" / path.stem)


def train_file(path: Path, overrides: Sequence[str], device: str, force: bool) -> Path | None:
    """The experiment's folder, trained; None for a file that is no Kurfile. Raises DstoolkitError."""
    if not is_kurfile(path):
        return None
    kurfile, ours = load(path, overrides)
    places, watched = Places.of(path), watch(kurfile)
    if distributed.speaks():
        tell(kurfile)
    with distributed.world(device_of(kurfile, device)) as (own, chosen_device), placing(kurfile):
        made, sources = own.first(lambda: prepared(kurfile, places, ours, force))
        with observing.watching(places.exp, replace(watched, epochs=made.train.epochs)):
            done = setup.train(places.exp, made, sources, chosen_device, force)
    if not done and distributed.speaks():
        click.echo(f"{places.exp}: already done")
    return places.exp


def prepared(kurfile: Kurfile, places: Places, ours: Sequence[str], force: bool) -> tuple[Experiment, setup.Sources]:
    """What the Kurfile comes to, its data prepared: the first process's work. Raises DstoolkitError."""
    train, validate = sections.needed(kurfile, "train"), kurfile.section("validate")
    data = supplier.supply(train, "train", places.work, kurfile.seed or 0, force=force)
    provider.check(train, data.utterances)
    dev = data.folder
    if validate is not None and validate.content:
        heard = supplier.supply(validate, "validate", places.work, kurfile.seed or 0, data, force)
        provider.check(validate, heard.utterances)
        dev = heard.folder
    begun_with = initial(train, validate, places, force)
    sources = setup.Sources(data.folder, dev, data.tokenizer, begun_with)
    aim = aims.take(stopping.read(train), places.exp, places.work / AIM, force)
    made = experiment(kurfile, data, aim, ours)
    if not force:
        aims.extend(places.exp, made, sources)
    return made, sources


def is_kurfile(path: Path) -> bool:
    """A YAML or JSON file with a model, or that includes others. Raises ConfigError where it is neither of both."""
    if path.suffix.lower() not in ENDINGS:
        return False
    tree = reading.read(path)
    return "model" in tree or "include" in tree


def load(path: Path, overrides: Sequence[str]) -> tuple[Kurfile, list[str]]:
    """The Kurfile, checked, with those overrides that are its own; and the others, dstoolkit's."""
    ours = [each.removeprefix(OURS) for each in overrides if each.startswith(OURS)]
    kurfile = Kurfile.load(path, [each for each in overrides if not each.startswith(OURS)])
    sections.check(kurfile)
    return kurfile, ours


def device_of(kurfile: Kurfile, asked: str) -> str:
    """The command's, else that of ``settings.backend``, else the best there is."""
    return best_device(kurfile.backend.device if asked == "auto" and kurfile.backend.device else asked)


def tell(kurfile: Kurfile) -> None:
    """What a reader of the Kurfile would not expect."""
    notes = [*kurfile.backend.notes, *losses_of(kurfile).notes]
    notes += sections.processes(kurfile)
    validate = kurfile.section("validate")
    if validate is None or not validate.content:
        notes.append(f"{kurfile.path}: no section 'validate': the validation is of the training data")
    for section, name in ((kurfile.section("train"), "train"), (validate, "validate")):
        notes += provider.notes(section, name) if section is not None else []
    if stopping.read(sections.needed(kurfile, "train")).endless:
        until = "it goes on until Ctrl-C, which saves; the same command goes on from there"
        notes.append(f"{kurfile.path}: train says no number of epochs and no time: {until}")
    for each in notes:
        click.echo(each, err=True)


def experiment(kurfile: Kurfile, data: Data, aim: Aim, ours: Sequence[str] = ()) -> Experiment:
    """What the Kurfile comes to. Raises ConfigError, Faults, with file and line."""
    train, saved = sections.needed(kurfile, "train"), weights.checkpoint(sections.needed(kurfile, "train"))
    loss = losses_of(kurfile)
    values: dict[str, Any] = {
        "seed": kurfile.seed or 0,
        **data.sections,
        "encoder": encoder(kurfile),
        "train": {
            "epochs": aim.epochs,
            "minutes": aim.minutes,
            "minutes_of": aim.of,
            "weight_decay": 0.0,
            "warmup": 0.0,
            "ema": 0.0,
            "loss_per": "utterance",
            "length_scale": loss.length_scale,
            "sortagrad": False,
            "show": 0,  # the hook 'transcript' shows them
            "batches": provider.read(train).batches(data.bucket),
            "dev_batches": validations(kurfile.section("validate")),
            "snapshots": saved.snapshots(validated_by(kurfile)) if saved else {},
            **optimizer.read(train.get("optimizer")).options(),
        },
    }
    for each in ours:
        config.override(values, each)
    with placing(kurfile):
        return experiments.from_plain(values, PLACE)


def encoder(kurfile: Kurfile) -> dict[str, Any]:
    """The section ``encoder``: the Kurfile's model, to the outputs that have a loss."""
    return {"name": "layers", "layers": kurfile.layers().value, **losses_of(kurfile).options()}


def losses_of(kurfile: Kurfile) -> losses.Losses:
    """The section ``loss``. Raises ConfigError, Faults, with file and line."""
    return losses.read(kurfile.section("loss"), kurfile.layers(), str(kurfile.path))


def validations(validate: Node | None) -> dict[str, Any]:
    """The section ``train.dev_batches``; without a section ``validate``, dstoolkit's own."""
    if validate is None or not validate.content:
        return {}
    bucket = supplier.supplier(validate).build(SpeechRecognition).bucket
    return provider.read(validate).batches(bucket or 0.0)


def validated_by(kurfile: Kurfile) -> int:
    """How many utterances there are in a batch of the validation."""
    section = kurfile.section("validate")
    if section is None or not section.content:
        section = sections.needed(kurfile, "train")
    return provider.read(section).batch_size


@contextmanager
def placing(kurfile: Kurfile) -> Iterator[None]:
    """Gives the faults of the experiment the Kurfile's lines."""
    try:
        yield
    except Faults as error:
        raise Faults([placed(each, kurfile) for each in error.faults]) from error
    except ConfigError as error:
        raise placed(error, kurfile) from error


def placed(fault: DstoolkitError, kurfile: Kurfile) -> DstoolkitError:
    """A fault of ``encoder.layers[3].convolution`` at its line; others as dstoolkit's options."""
    inside = fault.where.removeprefix(f"{PLACE}: ")
    if inside == fault.where or not isinstance(fault, ConfigError):
        return fault
    layers = kurfile.layers()
    if inside.startswith("encoder"):
        where = layers.locate(inside.removeprefix("encoder").removeprefix(".layers"))
    else:
        where = f"{kurfile.path}: experiment.{inside}"
    return ConfigError(where, fault.found, fault.expected, fault.advice)


def initial(train: Node, validate: Node | None, places: Places, force: bool) -> Path | None:
    """The weights to begin with. A copy, since the file may be the one that the best weights go to; a training that
    was begun goes on with its copy."""
    said, copy = weights.of_training(train, validate), places.work / INITIAL
    if not force and (places.exp / setup.BEGUN).exists():
        return copy if copy.exists() else None
    stamp.remove(copy)
    if said.initial is None:
        return None
    node = train.get("weights")
    path = weights.check_file(weights.located(said.initial, node), node)
    if path.exists():
        with stamp.building(copy, folder=False) as partial:
            shutil.copyfile(path, partial)
        return copy
    if said.must_exist:
        raise node.fault(f"no file '{path}'", "expected weights, as must_exist says", at=("initial",))
    return None


def watch(kurfile: Kurfile) -> Watch:
    """What is to be written, shown and sent while it trains. Raises ConfigError where a folder is in the way."""
    train, validate = sections.needed(kurfile, "train"), kurfile.section("validate")
    said, best_valid = weights.of_training(train, validate), weights.of_validation(validate)
    saved, log = weights.checkpoint(train), sections.log(train)
    dev = Places.of(kurfile.path).work / "validate"
    keepers: list[Best | Latest | Checkpoint | Log] = []
    if best_valid and validate is not None:
        keepers.append(Best(target(best_valid, validate, "weights"), "dev_loss"))
    if said.best:
        keepers.append(Best(target(said.best, train, "weights"), "train_loss"))
    if said.last:
        keepers.append(Latest(target(said.last, train, "weights")))
    if saved and saved.path:
        keepers.append(Checkpoint(target(saved.path, train, "checkpoint")))
    if log:
        keepers.append(sections.log_keeper(log, train.get("log"), losses.trained(kurfile.section("loss"))))
    return Watch(keepers, hooks.read(train, "train"), hooks.read(validate, "validate", dev))


def target(text: str, section: Node, key: str) -> Path:
    """A file to write weights to. Raises ConfigError for a folder."""
    node = section.get(key)
    return weights.check_file(weights.located(text, node), node)
