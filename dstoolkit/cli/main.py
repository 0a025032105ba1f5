"""The ``dstoolkit`` command: its commands come from plugins, ours too, and load only when they are used.

Exit status: 0 done, 2 what the user can mend (``where: found; expected; what to do``), 1 a crash of ours (``--debug``
shows the traceback), 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import Any

import click

from dstoolkit import __version__
from dstoolkit.errors import DstoolkitError, PluginError

log = logging.getLogger("dstoolkit")


class PluginGroup(click.Group):
    """A group whose commands are those the plugins register. A broken one costs its own line of help, not the rest."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from dstoolkit import plugins

        return plugins.load().names("commands")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from dstoolkit import plugins

        registry = plugins.load()
        if cmd_name not in registry.names("commands"):
            return None
        registered = registry.get("commands", cmd_name)
        try:
            command: click.Command = registered.click_command()
        except Exception as error:  # whatever a stranger's command raises is its own failure
            where = f"command {cmd_name!r}"
            raise PluginError(where, f"failed: {plugins.reason(error)}", "", plugins.LIST_ADVICE) from error
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A name that no command has: the nearest one, or the registry's word on plugins that failed."""
        from dstoolkit import config, plugins

        registry, name = plugins.load(), args[0]
        if name not in registry.names("commands") and not name.startswith("-") and not ctx.resilient_parsing:
            advice = config.nearest(name, registry.names("commands"))
            if advice.startswith("did"):
                raise PluginError("", f"no command {name!r}", advice)
            registry.get("commands", name)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands' own ``help`` lines, so that listing them builds none."""
        from dstoolkit import plugins

        registry = plugins.load()
        rows = []
        for name in registry.names("commands"):
            try:
                rows.append((name, registry.get("commands", name).help))
            except PluginError as error:
                rows.append((name, f"({error})"))
        rows += [(f"({entry.name})", f"failed: {entry.why}") for entry in registry.entries if entry.status == "failed"]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def verbosity(level: int) -> None:
    """-v: information, -vv: debugging; otherwise warnings only. On standard error, apart from results."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    log.handlers[:] = [handler]
    log.setLevel([logging.WARNING, logging.INFO, logging.DEBUG][min(level, 2)])


@click.group(cls=PluginGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dstoolkit")
@click.option("-v", "--verbose", count=True, help="Say more; -vv for all.")
@click.option("--debug", is_flag=True, help="Show the traceback of any error.")
@click.pass_context
def cli(ctx: click.Context, verbose: int, debug: bool) -> None:
    """Train, run and score speech recognisers.

    A recipe is a few of these commands in a row, each reading what the last one wrote; './run.sh' in a checkout runs
    the default one whole. By hand, with your own Kaldi data directories below data/:

    \b
      dstoolkit data validate data/train data/dev data/test
      dstoolkit features extract data/train data/dev data/test
      dstoolkit tokenizer train data/train/text data/tokenizer
      dstoolkit train exp/first --train data/train --dev data/dev \\
          --tokenizer data/tokenizer
      dstoolkit decode exp/first data/test --out exp/first/decode_test
      dstoolkit score --ref data/test/text \\
          --hyp exp/first/decode_test/text --out exp/first/decode_test

    '--config FILE' and '--set SECTION.OPTION=VALUE' choose features, model and training; 'dstoolkit COMMAND --help'
    says more. Completion in bash (or zsh, fish):

    \b
      eval "$(_DSTOOLKIT_COMPLETE=bash_source dstoolkit)"
    """
    verbosity(verbose)


def report(message: str) -> None:
    """An error on standard error, each line after the command's name."""
    for line in message.splitlines() or [""]:
        click.echo(f"dstoolkit: {line}", err=True)


def os_error_line(error: OSError) -> str:
    """``data/train: no space left on device``: an operating-system error in the form of ours.

    Libraries that raise their own OSError put pages into its ``strerror``; its number says the same in a few words.
    """
    what = (os.strerror(error.errno) if error.errno else str(error)).lower()
    where = next((str(name) for name in (error.filename, error.filename2) if name), "")
    return f"{where}: {what}" if where else what


def main(argv: list[str] | None = None) -> Any:
    """The entry point of the ``dstoolkit`` script."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        status = cli.main(args=arguments, prog_name="dstoolkit", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in arguments and not isinstance(error, (click.ClickException, click.exceptions.Exit)):
            traceback.print_exc()
        sys.exit(_failed(error, arguments))
    sys.exit(status if isinstance(status, int) else 0)


def _failed(error: BaseException, arguments: list[str]) -> int:
    """Say what went wrong; the exit status."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    while isinstance(error, SystemError) and error.__cause__:  # raised of what happened during compiled code
        error = error.__cause__
    if isinstance(error, (click.exceptions.Abort, KeyboardInterrupt)):
        report("interrupted; the same command goes on from here")
        return 130
    if isinstance(error, click.ClickException):
        error.show()
        return 2
    if isinstance(error, BrokenPipeError):  # 'dstoolkit ... | head': nobody reads on, and nothing can be said
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, DstoolkitError):
        report(str(error))
        return error.exit_code
    if isinstance(error, OSError):
        report(os_error_line(error))
        return 2
    shows = f"'dstoolkit --debug {' '.join(arguments[:1])} ...' shows where"
    report(f"crashed: {type(error).__name__}: {error}; this is a fault of dstoolkit; {shows}")
    return 1
