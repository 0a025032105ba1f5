"""A command that works by itself and has subcommands: ``dstoolkit decode EXP DATA``, ``dstoolkit decode tune``."""

from __future__ import annotations

from typing import Any

import click


class CommandWithSubcommands(click.Command):
    """Where the first word names a subcommand, that one runs with the words after it; else the command itself.

        @click.command("decode", cls=CommandWithSubcommands, subcommands=[tune])

    ``--help`` lists them. A folder that is named like a subcommand is written ``./tune``.
    """

    def __init__(self, *arguments: Any, subcommands: list[click.Command], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.commands = {each.name or "": each for each in subcommands}

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args and args[0] in self.commands:
            return self.commands[args[0]].make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Subcommands"):
            formatter.write_dl([(name, each.get_short_help_str(80)) for name, each in self.commands.items()])
        super().format_epilog(ctx, formatter)
