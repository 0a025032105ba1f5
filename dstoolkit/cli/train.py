"""``dstoolkit train``."""

from __future__ import annotations

import click

from dstoolkit.interfaces import Command


class TrainCommand(Command):
    name = "train"
    help = "Train a recogniser."

    @staticmethod
    def click_command() -> click.Command:
        return train_group


@click.group("train")
def train_group() -> None:
    """Train a recogniser."""
