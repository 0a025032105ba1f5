"""``dstoolkit train``: features, texts and a tokenizer in, a recogniser out; or a file that a plugin trains from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from dstoolkit.interfaces import Command


class TrainCommand(Command):
    name = "train"
    help = "Train a recogniser."

    @staticmethod
    def click_command() -> click.Command:
        return train


FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("train")
@click.argument("folder", metavar="EXP", type=click.Path(path_type=Path))
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="The experiment, a YAML file.")
@click.option("--train", "train_folder", type=FOLDER, help="Data directory with features.h5 and text.")
@click.option("--dev", "dev_folder", type=FOLDER, help="The same, to validate on each epoch.")
@click.option("--tokenizer", type=FOLDER, help="What 'dstoolkit tokenizer train' made.")
@click.option(
    "--init",
    "initial",
    type=click.Path(path_type=Path),
    help="Begin with the weights of a trained EXP, or of a file like its best.pt, of the same sizes.",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override an option of the experiment.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--force", is_flag=True, help="Begin anew, whatever EXP holds.")
def train(
    folder: Path,
    config_file: Path | None,
    train_folder: Path | None,
    dev_folder: Path | None,
    tokenizer: Path | None,
    initial: Path | None,
    overrides: tuple[str, ...],
    device: str,
    force: bool,
) -> None:
    """Train a recogniser into the folder EXP.

    Each epoch ends with a validation: loss in nats per token, WER and CER, a few utterances with the truth beside the
    prediction, and curves.png and metrics.jsonl in EXP. best.pt has the lowest WER, last.pt is what an interrupted
    training goes on from, to the bit: give the same command again. 'dstoolkit -v train' says more, -vv each step.

    \b
      dstoolkit train exp/deepspeech --config conf/train.yaml --train data/train --dev data/dev \\
          --tokenizer data/tokenizer --set train.epochs=5

    --train, --dev and --tokenizer are needed, unless EXP is a file: a plugin that reads such experiment files then
    trains from it, as the file says.

    \b
    On several GPUs, or processes (batch_seconds is of all together):
      torchrun --nproc-per-node 2 -m dstoolkit train exp/deepspeech ...
    """
    # Both are read when torch is loaded. OpenMP's threads otherwise spin while they wait, on the cores that a recurrent
    # layer's directions compute on; and oneDNN keeps code for 1,024 shapes, 180 MB of it with the default network,
    # though hardly a batch has the shape of another. A step needs a few dozen.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

    given = {"--train": train_folder, "--dev": dev_folder, "--tokenizer": tokenizer}
    if folder.is_file():
        train_file(folder, {**given, "--config": config_file, "--init": initial}, overrides, device, force)
        return

    from dstoolkit.pipeline import experiment
    from dstoolkit.pipeline.recognition import best_device
    from dstoolkit.training import distributed, setup

    if train_folder is None or dev_folder is None or tokenizer is None:
        lacking = ", ".join(name for name, value in given.items() if value is None)
        raise click.UsageError(f"missing {lacking}; expected a data directory or a tokenizer's folder for each")
    sources = setup.Sources(train_folder, dev_folder, tokenizer, initial)
    chosen = experiment.load(config_file, overrides)
    done = setup.train(folder, chosen, sources, best_device(device), force)
    if distributed.speaks():
        click.echo(f"{folder}: done; curves in {folder / 'curves.png'}" if done else f"{folder}: already done")
    distributed.leave()


def train_file(
    path: Path, others: Mapping[str, Path | None], overrides: Sequence[str], device: str, force: bool
) -> None:
    """Let the plugin that reads such a file train from it. Raises ConfigError where none does."""
    from dstoolkit import plugins
    from dstoolkit.errors import ConfigError, Faults
    from dstoolkit.training import distributed

    Faults.check(
        ConfigError(name, f"given beside the file '{path}'", "the file says what it trains on", "leave it out")
        for name, value in others.items()
        if value is not None
    )
    registry = plugins.load()
    folder = registry.ask("dstoolkit_train_file", path=path, overrides=overrides, device=device, force=force)
    if folder is None:
        readers = [each.name for each in registry.entries if "dstoolkit_train_file" in each.hooks]
        known = f"plugins that read experiment files: {', '.join(readers) or 'none'}"
        advice = registry.not_ok() or "install one that reads it, or name a folder and --config"
        raise ConfigError(path, "is a file", f"expected a folder; {known}", advice)
    if distributed.speaks():
        click.echo(f"{path}: trained into {folder}")
    distributed.leave()
