"""``dstoolkit corpus``."""

from __future__ import annotations

import click

from dstoolkit.interfaces import Command


class CorpusCommand(Command):
    name = "corpus"
    help = "List, fetch and prepare corpora."

    @staticmethod
    def click_command() -> click.Command:
        return corpus_group


@click.group("corpus")
def corpus_group() -> None:
    """List, fetch and prepare corpora."""
