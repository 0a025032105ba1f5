"""The ``dstoolkit`` command: its commands come from plugins, ours too, and load only when they are used.

Exit status: 0 done, 2 what the user can mend (``where: found; expected; what to do``), 1 a crash of ours (``--debug``
shows the traceback), 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import click

from dstoolkit import __version__
from dstoolkit.errors import DstoolkitError

log = logging.getLogger("dstoolkit")


class PluginGroup(click.Group):
    """A group whose commands are those the plugins register."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from dstoolkit import plugins

        return plugins.load().names("commands")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from dstoolkit import plugins

        registry = plugins.load()
        if cmd_name not in registry.names("commands"):
            return None
        command: click.Command = registry.get("commands", cmd_name).click_command()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands' own ``help`` lines, so that listing them builds none."""
        from dstoolkit import plugins

        registry = plugins.load()
        rows = [(name, registry.get("commands", name).help) for name in registry.names("commands")]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def verbosity(level: int) -> None:
    """-v: information, -vv: debugging; otherwise warnings only. On standard error, apart from results."""
    logging.basicConfig(format="%(levelname)s: %(message)s", stream=sys.stderr, force=True)
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
      dstoolkit data validate data/train
      dstoolkit features extract data/train --config conf/train.yaml
      dstoolkit tokenizer train data/train/text data/tokenizer
      dstoolkit train --config conf/train.yaml --train data/train --dev data/dev --tokenizer data/tokenizer exp/first
      dstoolkit decode exp/first data/test --out exp/first/decode_test
      dstoolkit score --ref data/test/text --hyp exp/first/decode_test/text --out exp/first/decode_test

    Shell completion: eval "$(_DSTOOLKIT_COMPLETE=bash_source dstoolkit)" (or zsh_source, fish_source).
    """
    verbosity(verbose)


def report(message: str) -> None:
    """An error on standard error, each line after the command's name."""
    for line in message.splitlines() or [""]:
        click.echo(f"dstoolkit: {line}", err=True)


def os_error_line(error: OSError) -> str:
    """``data/train: no space left on device``: an operating-system error in the form of ours."""
    what = (error.strerror or str(error)).lower()
    where = next((str(name) for name in (error.filename, error.filename2) if name), "")
    return f"{where}: {what}" if where else what


def main(argv: list[str] | None = None) -> Any:
    """The entry point of the ``dstoolkit`` script."""
    arguments = sys.argv[1:] if argv is None else argv
    debug = "--debug" in arguments
    try:
        status = cli.main(args=arguments, prog_name="dstoolkit", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        report("interrupted; the same command goes on from here")
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except DstoolkitError as error:
        if debug:
            raise
        report(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        if debug:
            raise
        report(os_error_line(error))
        sys.exit(2)
    except Exception as error:
        if debug:
            raise
        report(f"crashed: {type(error).__name__}: {error}; this is a fault of dstoolkit; --debug shows where")
        sys.exit(1)
