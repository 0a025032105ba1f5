"""Strangers' wheels that spoil something, all in one environment: each is named with its reason, the others work.

Two claim one encoder; one raises as it is imported, one while it registers; one was written for another API; one
implements a hook there is not; one exits. The wheels are built and installed by pip; nothing is fetched.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dstoolkit import hookspecs
from dstoolkit.plugins import DISABLE
from tests.environment import Environment

pytestmark = pytest.mark.slow

PROJECT = """
[build-system]
requires = ["setuptools>=68"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "{version}"
license = {{ text = "ISC" }}
[project.urls]
Homepage = "http://127.0.0.1/{name}"
[project.entry-points.dstoolkit]
{point} = "{module}.plugin"
[tool.setuptools]
packages = ["{module}"]
"""

HEAD = """
from dstoolkit.hookspecs import hookimpl
DSTOOLKIT_API = 1
"""

ENCODERS = """
@hookimpl
def dstoolkit_register_encoders():
    from stranger_{point}.net import Only, Twin

    return [Twin, Only]
"""

NET = """
import dataclasses
import torch
from dstoolkit.interfaces import Encoder

@dataclasses.dataclass(frozen=True)
class Options:
    size: int = {size}  # units

class Twin(Encoder, torch.nn.Module):
    '''One layer of rectified units per frame.'''
    name = "twin"
    Config = Options

    def __init__(self, config, input_dim):
        torch.nn.Module.__init__(self)
        self.output_dim = config.size
        self.layer = torch.nn.Linear(input_dim, config.size)

    def forward(self, frames, lengths):
        return torch.relu(self.layer(frames)), self.output_lengths(lengths)

    def output_lengths(self, lengths):
        return lengths

class Only(Twin):
    '''Nobody else's.'''
    name = "only_{point}"
"""

SIZES = {"east": 5, "west": 6}  # of the two encoders that are called alike

COMMAND = """
import click
from dstoolkit.interfaces import Command

class Greet(Command):
    name = "greet"
    help = "Say hello."

    @staticmethod
    def click_command():
        return click.Command("greet", callback=lambda: click.echo("hello"))

@hookimpl
def dstoolkit_register_commands():
    return [Greet]
"""

# entry point -> the distribution's name and version, and its module's source
PACKAGES = {
    "east": ("twin-east", "1.2", HEAD + ENCODERS.format(point="east")),
    "west": ("twin-west", "3.0.1", HEAD + ENCODERS.format(point="west")),
    "raises": ("raises-on-import", "0.4", HEAD + "raise RuntimeError('no licence\\n  file')"),
    "exits": ("exits-on-import", "0.5", HEAD + "raise SystemExit('bye')"),
    "late": ("raises-late", "0.6", HEAD + "@hookimpl\ndef dstoolkit_register_losses(): return [].missing"),
    "future": ("other-api", "2.0", HEAD + f"DSTOOLKIT_API = {hookspecs.API + 1}"),
    "misspelt": ("unknown-hook", "1.1", HEAD + "@hookimpl\ndef dstoolkit_epoch_ends(run): pass"),
    "healthy": ("healthy", "7.0", HEAD + COMMAND),
}

CONFLICT = f"encoder 'twin' is claimed by 'twin-east 1.2' and 'twin-west 3.0.1'; uninstall one or name one in {DISABLE}"

FAILURES = {
    "raises": "RuntimeError: no licence file",
    "exits": "SystemExit: bye",
    "late": "AttributeError: 'list' object has no attribute 'missing'",
    "future": f"plugin 'future': states DSTOOLKIT_API = {hookspecs.API + 1}; this dstoolkit speaks {hookspecs.API}; "
    "install a matching version",
    "misspelt": "plugin 'misspelt': no such hook 'dstoolkit_epoch_ends'; did you mean 'dstoolkit_epoch_end'?",
}


def write(folder: Path, point: str) -> Path:
    """The project of one of the packages."""
    name, version, source = PACKAGES[point]
    module = f"stranger_{point}"
    (folder / module).mkdir(parents=True)
    (folder / module / "__init__.py").write_text("")
    (folder / module / "plugin.py").write_text(source)
    if point in SIZES:
        (folder / module / "net.py").write_text(NET.format(point=point, size=SIZES[point]))
    (folder / "pyproject.toml").write_text(PROJECT.format(name=name, version=version, point=point, module=module))
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """With the wheels of all the packages."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("strangers")
    made = Environment(folder / "environment")
    built = made.wheels(folder / "wheels", *(write(folder / point, point) for point in PACKAGES))
    assert len(built) == len(PACKAGES)
    made.install(*built)
    return made


def test_the_list_shows_each_with_its_reason(environment: Environment) -> None:
    listed = json.loads(environment.dstoolkit("plugins", "list", "--json"))
    found = {each["name"]: each for each in listed["plugins"]}
    assert {point: found[point]["why"] for point in FAILURES} == FAILURES
    assert {each["name"] for each in listed["plugins"] if each["status"] == "failed"} == set(FAILURES)
    assert found["east"]["provides"] == {"encoders": ["only_east", "twin"]}
    assert found["healthy"]["provides"] == {"commands": ["greet"]}
    assert listed["conflicts"] == [CONFLICT]
    text = environment.dstoolkit("plugins", "list").splitlines()
    assert f"raises (raises-on-import 0.4): failed: {FAILURES['raises']}" in text
    assert text[-1] == f"conflict: {CONFLICT}"


@pytest.mark.parametrize("command", ["check", "show"])
def test_the_name_claimed_twice_is_refused(command: str, environment: Environment) -> None:
    assert environment.refusal("plugins", command, "twin") == f"dstoolkit: {CONFLICT}\n"


@pytest.mark.parametrize(("blocked", "left"), [("twin-east", "west"), ("west,raises", "east")])
def test_with_one_of_them_blocked_the_name_works(
    blocked: str, left: str, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the distribution's name, and by the entry point's."""
    monkeypatch.setenv(DISABLE, blocked)
    (shown,) = json.loads(environment.dstoolkit("plugins", "show", "twin", "--json"))["plugins"]
    assert [each["default"] for each in shown["options"]] == [SIZES[left]]
    assert shown["options"][0]["help"] == "units"
    name, version, _ = PACKAGES[left]
    assert (shown["distribution"], shown["version"], shown["licence"]) == (name, version, "ISC")
    assert shown["home_page"] == f"http://127.0.0.1/{name}"
    assert "failed" not in environment.dstoolkit("plugins", "check", "twin", "--set", "size=4")


@pytest.mark.parametrize("point", FAILURES)
def test_show_says_why_one_is_broken(point: str, environment: Environment) -> None:
    name, version, _ = PACKAGES[point]
    first = environment.dstoolkit("plugins", "show", point).splitlines()[0]
    assert first == f"entry point {point!r} ({name} {version}): failed: {FAILURES[point]}"


def test_show_of_a_distribution_says_which_of_its_names_is_in_conflict(environment: Environment) -> None:
    (entry,) = json.loads(environment.dstoolkit("plugins", "show", "twin-west", "--json"))["entry_points"]
    assert (entry["entry_point"], entry["status"], entry["version"]) == ("west", "ok", "3.0.1")
    assert entry["conflicts"] == [CONFLICT]


def test_the_others_go_on_working(environment: Environment) -> None:
    assert environment.dstoolkit("greet") == "hello\n"
    assert "failed" not in environment.dstoolkit("plugins", "check", "only_west")
    told = " ".join(environment.dstoolkit("--help").split())
    assert "greet Say hello." in told
    assert f"(raises) failed: {FAILURES['raises']}" in told
    assert "train Train a recogniser." in told


def test_an_unknown_name_is_answered_with_all_that_failed(environment: Environment) -> None:
    """It may be one that a broken plugin would have registered."""
    said = environment.refusal("plugins", "check", "missing")
    assert said.startswith("dstoolkit: no plugin 'missing' (have: ")
    for point, why in FAILURES.items():
        assert f"plugin {point!r} failed to load: {why}" in said
