"""``dstoolkit features``."""

from __future__ import annotations

import click

from dstoolkit.interfaces import Command


class FeaturesCommand(Command):
    name = "features"
    help = "Extract, summarise and show features."

    @staticmethod
    def click_command() -> click.Command:
        return features_group


@click.group("features")
def features_group() -> None:
    """Extract, summarise and show features."""
