"""The command line's frame: exit statuses, one line per error, commands of strangers."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path

import click
import pytest

import dstoolkit as package
from dstoolkit import plugins
from dstoolkit.cli import main

DEMO = """
import errno, logging, sys
import click
from dstoolkit.errors import DataError, Faults
from dstoolkit.hookspecs import hookimpl
from dstoolkit.interfaces import Command

DSTOOLKIT_API = 1

def say():
    log = logging.getLogger("dstoolkit")
    for level in (log.debug, log.info, log.warning):
        level("heard")

def full():
    with open("/dev/full", "w") as file:
        file.write("x")

def library():
    raise OSError(errno.ENOSPC, "Can't write data (file write failed: time = ..., buf = 0x7f00, total = 4096)")

def faults():
    Faults.check([DataError("a:1", "bad"), DataError("b:2", "worse")])

def fault():
    raise DataError("a:1", "bad", "expected good")

def crash():
    return 1 / 0

def missing():
    open("/none/here")

def interrupt():
    raise KeyboardInterrupt

def interrupt_in_compiled_code():
    try:
        raise SystemError("a value with an exception set") from KeyboardInterrupt()
    except SystemError as error:
        raise SystemError("returned a result with an exception set") from error

def status():
    return 3

@click.command()
@click.argument("act", type=click.Choice(sorted(k for k, v in globals().items() if type(v) is type(say))))
def demo_command(act):
    return globals()[act]()

class Demo(Command):
    name = "demo"
    help = "Does what it is told."

    @staticmethod
    def click_command():
        return demo_command

class Broken(Command):
    name = "broken"
    help = "Fails when used."

    @staticmethod
    def click_command():
        import no_such_module

@hookimpl
def dstoolkit_register_commands():
    return [Demo, Broken]
"""
OURS = metadata.EntryPoint("builtins", "dstoolkit.builtins", "dstoolkit")


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``strangers(module=text)``: from here on the plugins are ours and these modules."""

    def install(**modules: str) -> None:
        monkeypatch.syspath_prepend(tmp_path)
        points = [OURS]
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
            monkeypatch.delitem(sys.modules, name, raising=False)
            points.append(metadata.EntryPoint(name, name, "dstoolkit"))
        registry = plugins.Registry(metadata.EntryPoints(points))
        monkeypatch.setattr(plugins, "load", lambda: registry)

    return install


@pytest.mark.parametrize(
    ("act", "status", "output"),
    [
        ("fault", 2, "dstoolkit: a:1: bad; expected good\n"),
        ("faults", 2, "dstoolkit: a:1: bad\ndstoolkit: b:2: worse\n"),
        ("missing", 2, "dstoolkit: /none/here: no such file or directory\n"),
        ("full", 2, "dstoolkit: no space left on device\n"),
        ("library", 2, "dstoolkit: no space left on device\n"),
        ("interrupt", 130, "dstoolkit: interrupted; the same command goes on from here\n"),
        ("interrupt_in_compiled_code", 130, "dstoolkit: interrupted; the same command goes on from here\n"),
        ("status", 3, ""),
        (
            "crash",
            1,
            "dstoolkit: crashed: ZeroDivisionError: division by zero; this is a fault of dstoolkit; "
            "'dstoolkit --debug demo ...' shows where\n",
        ),
    ],
)
def test_an_exit_status_and_a_line_for_each_ending(dstoolkit, strangers, act: str, status: int, output: str) -> None:
    strangers(demo=DEMO)
    assert dstoolkit("demo", act, status=status).output.lstrip("\n") == output


@pytest.mark.parametrize(("act", "status"), [("fault", 2), ("crash", 1), ("missing", 2), ("interrupt", 130)])
def test_debug_shows_the_traceback_and_keeps_the_status(dstoolkit, strangers, act: str, status: int) -> None:
    strangers(demo=DEMO)
    output = dstoolkit("--debug", "demo", act, status=status).output
    assert "Traceback (most recent call last)" in output
    assert f"in {act}" in output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["demo"], "Missing argument"),
        (["demo", "dance"], "'dance' is not one of"),
        (["demo", "say", "more"], "unexpected extra argument"),
        (["--debg"], "Did you mean '--debug'"),
        (["dmo"], "no command 'dmo'; did you mean 'demo'?"),
        (["xyzzy"], "no command 'xyzzy' (have: align, broken, corpus,"),
    ],
)
def test_wrong_usage_is_status_2(dstoolkit, strangers, arguments: list[str], says: str) -> None:
    strangers(demo=DEMO)
    assert says in dstoolkit(*arguments, status=2).output


def test_help_lists_the_commands_of_all_plugins(dstoolkit, strangers) -> None:
    strangers(demo=DEMO)
    output = dstoolkit("--help").output
    assert "Does what it is told." in output
    assert "Train a recogniser." in output
    assert output == dstoolkit("-h").output


def test_the_version(dstoolkit) -> None:
    assert dstoolkit("--version").output == f"dstoolkit, version {package.__version__}\n"


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("import no_such_module", "failed: no module named 'no_such_module'"),
        ("raise SystemExit(7)", "failed: SystemExit: 7"),
        ("DSTOOLKIT_API = 99", "failed: plugin 'bad': states DSTOOLKIT_API = 99"),
        ("syntax error", "failed: SyntaxError"),
    ],
)
def test_a_plugin_that_fails_to_load_costs_help_a_line(dstoolkit, strangers, module: str, says: str) -> None:
    strangers(bad=module, demo=DEMO)
    output = " ".join(dstoolkit("--help").output.split())
    assert f"(bad) {says}" in output
    assert "Does what it is told." in output
    assert "Train a recogniser." in output
    dstoolkit("demo", "say")


def test_a_command_that_fails_when_used_says_whose_fault_it_is(dstoolkit, strangers) -> None:
    strangers(demo=DEMO)
    says = "command 'broken': failed: no module named 'no_such_module'; see 'dstoolkit plugins list'"
    assert says in dstoolkit("broken", status=2).output
    assert "Fails when used." in dstoolkit("--help").output


def test_a_name_claimed_twice_costs_help_a_line_and_is_refused(dstoolkit, strangers) -> None:
    strangers(first=DEMO, second=DEMO)
    output = " ".join(dstoolkit("--help").output.split())
    assert "(command 'demo' is claimed by" in output
    assert "Train a recogniser." in output
    assert "claimed by" in dstoolkit("demo", "say", status=2).output


@pytest.mark.parametrize(
    ("flags", "heard"),
    [([], ["WARNING"]), (["-v"], ["INFO", "WARNING"]), (["-vv"], ["DEBUG", "INFO", "WARNING"])],
)
def test_verbosity(dstoolkit, strangers, flags: list[str], heard: list[str]) -> None:
    strangers(demo=DEMO)
    assert dstoolkit(*flags, "demo", "say").output == "".join(f"{level}: heard\n" for level in heard)
    assert len(logging.getLogger("dstoolkit").handlers) == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    ran = run(env={"_DSTOOLKIT_COMPLETE": f"{shell}_source"})
    assert "_DSTOOLKIT_COMPLETE" in ran.stdout
    assert ran.returncode == 0


def test_completion_knows_the_commands() -> None:
    asks = {"_DSTOOLKIT_COMPLETE": "bash_complete", "COMP_WORDS": "dstoolkit t", "COMP_CWORD": "1"}
    assert run(env=asks).stdout.split() == ["plain,tokenizer", "plain,train", "plain,transcribe"]


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from dstoolkit.cli.main import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})})


def test_a_reader_that_goes_away_gets_no_traceback() -> None:
    writer = "import click; from dstoolkit.cli import main; main.cli.callback = None\n"
    writer += "main.cli.main = lambda **_: [click.echo('x' * 1000) for _ in range(1000)]; main.main([])"
    command = f'{sys.executable} -c "{writer}" | head -c 1'
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("x", "")


def test_ctrl_c_is_130(tmp_path: Path) -> None:
    script = "import sys, time\nfrom dstoolkit.cli import main\n"
    script += "main.cli.main = lambda **_: (print('ready', flush=True), time.sleep(60))\nmain.main([])"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert process.stderr.read() == "dstoolkit: interrupted; the same command goes on from here\n"
    process.stdout.close()
    process.stderr.close()


def commands(group: click.Command, context: click.Context) -> list[click.Command]:
    """A command and all below it."""
    below: list[click.Command] = []
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            below += commands(command, click.Context(command, parent=context, info_name=name))
    return [group, *below]


def test_every_command_and_option_says_what_it_does() -> None:
    silent = []
    for command in commands(main.cli, click.Context(main.cli, info_name="dstoolkit")):
        if not command.help:
            silent.append(command.name)
        silent += [
            f"{command.name} {parameter.opts[0]}"
            for parameter in command.params
            if isinstance(parameter, click.Option) and not parameter.help
        ]
    assert silent == []
