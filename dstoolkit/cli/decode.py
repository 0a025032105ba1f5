"""``dstoolkit decode``."""

from __future__ import annotations

import click

from dstoolkit.interfaces import Command


class DecodeCommand(Command):
    name = "decode"
    help = "Turn audio features into text with a trained model."

    @staticmethod
    def click_command() -> click.Command:
        return decode_group


@click.group("decode")
def decode_group() -> None:
    """Turn audio features into text with a trained model."""
