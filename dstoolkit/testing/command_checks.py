"""The contract of commands: help at every level, and a light start."""

from __future__ import annotations

from collections.abc import Iterator

import click

from dstoolkit.testing.checks import Skipped, Subject, check, require
from dstoolkit.testing.common_checks import heavy_imports


def tree(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """The command and all below it, each with its whole name."""
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from tree(each, f"{path} {name}")


@check("commands")
def has_a_help_line(subject: Subject) -> None:
    """One line for ``dstoolkit --help``."""
    text = subject.cls.help
    require(bool(text.strip()) and "\n" not in text, f"help is {text!r}; expected one line")


@check("commands")
def is_a_click_command(subject: Subject) -> None:
    """A ``click.Command`` of the plugin's own name."""
    command = subject.cls.click_command()
    require(isinstance(command, click.Command), f"click_command gives a {type(command).__name__}")
    require(command.name == subject.cls.name, f"the command is named {command.name!r}, not {subject.cls.name!r}")


@check("commands")
def everything_has_help(subject: Subject) -> None:
    """Every command below it has a text, every option a line, and ``--help`` works."""
    for path, command in tree(subject.cls.click_command(), subject.cls.name):
        require(bool((command.help or "").strip()), f"'{path}' has no help")
        for each in command.params:
            if isinstance(each, click.Option) and not each.hidden:
                require(bool((each.help or "").strip()), f"'{path} {each.opts[0]}' has no help")
        require(bool(command.get_help(click.Context(command, info_name=path))), f"'{path} --help' says nothing")


@check("commands")
def starts_lightly(subject: Subject) -> None:
    """Making the command imports nothing heavy: its callbacks do that when they are called."""
    cls = subject.cls
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        raise Skipped("is defined in no module of its own")
    code = f"import importlib\nimportlib.import_module({cls.__module__!r}).{cls.__qualname__}.click_command()"
    heavy = heavy_imports(code)
    require(not heavy, f"making it imports {', '.join(heavy)}; import them inside the callbacks")
