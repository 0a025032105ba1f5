"""``dstoolkit plugins``."""

from __future__ import annotations

import click

from dstoolkit.interfaces import Command


class PluginsCommand(Command):
    name = "plugins"
    help = "List and check plugins."

    @staticmethod
    def click_command() -> click.Command:
        return plugins_group


@click.group("plugins")
def plugins_group() -> None:
    """List and check plugins."""
