"""``dstoolkit tokenizer``."""

from __future__ import annotations

import click

from dstoolkit.interfaces import Command


class TokenizerCommand(Command):
    name = "tokenizer"
    help = "Train and use tokenizers."

    @staticmethod
    def click_command() -> click.Command:
        return tokenizer_group


@click.group("tokenizer")
def tokenizer_group() -> None:
    """Train and use tokenizers."""
