"""``dstoolkit score``."""

from __future__ import annotations

import click

from dstoolkit.interfaces import Command


class ScoreCommand(Command):
    name = "score"
    help = "Score hypotheses against references: WER, CER."

    @staticmethod
    def click_command() -> click.Command:
        return score_group


@click.group("score")
def score_group() -> None:
    """Score hypotheses against references: WER, CER."""
