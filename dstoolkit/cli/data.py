"""``dstoolkit data``."""

from __future__ import annotations

import click

from dstoolkit.interfaces import Command


class DataCommand(Command):
    name = "data"
    help = "Import, validate, mend and divide Kaldi data directories."

    @staticmethod
    def click_command() -> click.Command:
        return data_group


@click.group("data")
def data_group() -> None:
    """Import, validate, mend and divide Kaldi data directories."""
