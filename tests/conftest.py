"""Fixtures that all tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Shells start background jobs deaf to Ctrl-C, and so what tests start from there; tests of Ctrl-C need it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def corpora_folder() -> Path | None:
    """Real speech for tests: ``DSTOOLKIT_CORPORA``, else ``../shared/corpora`` beside the checkout, if there."""
    folder = Path(os.environ.get("DSTOOLKIT_CORPORA") or ROOT.parent / "shared" / "corpora")
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def corpora() -> Path:
    folder = corpora_folder()
    if folder is None:
        pytest.skip("no real speech here: set DSTOOLKIT_CORPORA to a folder that holds yesno, an4, fsdd, speechocean")
    return folder


class Command:
    """Runs ``dstoolkit ...`` in this process the way the script does: exit status and output included."""

    def __call__(self, *arguments: object, status: int = 0, stdin: bytes | None = None) -> Result:
        import click

        from dstoolkit.cli import main

        @click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
        def run() -> None:
            main.main([str(each) for each in arguments])

        result = CliRunner().invoke(run, [], input=stdin)
        assert result.exit_code == status, f"exit status {result.exit_code}, not {status}:\n{result.output}"
        return result


@pytest.fixture
def dstoolkit() -> Command:
    """``dstoolkit("data", "info", folder)`` returns click's Result; ``status=2`` expects that exit status.

    ``stdin`` is given to it.
    """
    return Command()
