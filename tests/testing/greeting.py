"""A small sound command, in a module that loads nothing heavy."""

from __future__ import annotations

import click

from dstoolkit.interfaces import Command


@click.command("hello")
@click.option("--loud", is_flag=True, help="Say it louder.")
def hello(loud):
    """Say hello."""


class Hello(Command):
    """A greeting."""

    name = "hello"
    help = "Say hello."

    @staticmethod
    def click_command():
        return hello
