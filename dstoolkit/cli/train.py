"""``dstoolkit train``: features, texts and a tokenizer in, a recogniser out."""

from __future__ import annotations

import os
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
@click.argument("folder", metavar="EXP", type=FOLDER)
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="The experiment, a YAML file.")
@click.option("--train", "train_folder", type=FOLDER, required=True, help="Data directory with features.h5 and text.")
@click.option("--dev", "dev_folder", type=FOLDER, required=True, help="The same, to validate on each epoch.")
@click.option("--tokenizer", type=FOLDER, required=True, help="What 'dstoolkit tokenizer train' made.")
@click.option("--init", "initial", type=FOLDER, help="Begin with the weights of a trained EXP, of the same sizes.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override an option of the experiment.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--force", is_flag=True, help="Begin anew, whatever EXP holds.")
def train(
    folder: Path,
    config_file: Path | None,
    train_folder: Path,
    dev_folder: Path,
    tokenizer: Path,
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

    \b
    On several GPUs, or processes (batch_seconds is of all together):
      torchrun --nproc-per-node 2 -m dstoolkit train exp/deepspeech ...
    """
    # Both are read when torch is loaded. OpenMP's threads otherwise spin while they wait, on the cores that a recurrent
    # layer's directions compute on; and oneDNN keeps code for 1,024 shapes, 180 MB of it with the default network,
    # though hardly a batch has the shape of another. A step needs a few dozen.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

    from dstoolkit.pipeline import experiment
    from dstoolkit.pipeline.recognition import best_device
    from dstoolkit.training import distributed, setup

    sources = setup.Sources(train_folder, dev_folder, tokenizer, initial)
    chosen = experiment.load(config_file, overrides)
    done = setup.train(folder, chosen, sources, best_device(device), force)
    if distributed.speaks():
        click.echo(f"{folder}: done; curves in {folder / 'curves.png'}" if done else f"{folder}: already done")
    distributed.leave()
