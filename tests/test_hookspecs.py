"""Every hook has a documented, typed signature and a test; a plugin written from the page works."""

from __future__ import annotations

import inspect
import re
import typing
from pathlib import Path

import pytest

from dstoolkit import hookspecs, interfaces, plugins
from tests.plugin_packages import entry_points, install

HERE = Path(__file__).parent
HOOKS = {name: each for name, each in vars(hookspecs).items() if name.startswith("dstoolkit_")}


def test_hooks_are_these():
    registering = {name for name in HOOKS if name.startswith("dstoolkit_register_")}
    assert registering == {kind.hook for kind in plugins.KINDS.values()}
    assert set(HOOKS) - registering == {
        "dstoolkit_make_optimizer",
        "dstoolkit_make_scheduler",
        "dstoolkit_train_file",
        "dstoolkit_train_start",
        "dstoolkit_step_end",
        "dstoolkit_epoch_end",
        "dstoolkit_snapshot",
        "dstoolkit_train_end",
    }


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented(name):
    text = inspect.getdoc(HOOKS[name])
    assert "Since API " in text
    assert int(re.search(r"Since API (\d+)", text)[1]) <= hookspecs.API
    assert name in (HERE.parent / "docs" / "plugins.md").read_text(), f"docs/plugins.md does not list {name}"


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_states_its_types(name):
    """All parameters and the result are annotated, with names that exist."""
    import torch

    known = {**vars(interfaces), "torch": torch, "Any": typing.Any}
    hints = typing.get_type_hints(HOOKS[name], globalns={**vars(hookspecs), **known})
    assert set(hints) == {*inspect.signature(HOOKS[name]).parameters, "return"}


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_a_test(name):
    """Either below, or in a test that implements it or relies on ours."""
    sources = (HERE / "test_plugins.py").read_text() + (HERE / "test_third_party.py").read_text()
    assert name in REGISTERING or f"def {name}(" in sources or f'"{name}"' in sources


# Written out: a hook that is added without a line here has no test.
REGISTERING = {
    "dstoolkit_register_features": "features",
    "dstoolkit_register_augmentations": "augmentations",
    "dstoolkit_register_encoders": "encoders",
    "dstoolkit_register_losses": "losses",
    "dstoolkit_register_decoders": "decoders",
    "dstoolkit_register_tokenizers": "tokenizers",
    "dstoolkit_register_corpora": "corpora",
    "dstoolkit_register_commands": "commands",
}


@pytest.mark.parametrize(("hook", "kind"), REGISTERING.items())
def test_every_registering_hook_registers(hook, kind, tmp_path, monkeypatch):
    """A class with the interface's methods comes back by its name and kind, and as no other kind."""
    monkeypatch.syspath_prepend(str(tmp_path))
    source = f"""
    import dataclasses
    from dstoolkit import interfaces

    @hookimpl
    def {hook}():
        interface = interfaces.{plugins.KINDS[kind].interface.__name__}
        methods = dict.fromkeys(interface.__abstractmethods__, lambda *arguments: None)
        config = dataclasses.make_dataclass("Config", [], frozen=True)
        return [type("Mine", (interface,), {{**methods, "name": "mine", "help": "Mine.", "Config": config}})]
    """
    registry = plugins.Registry(entry_points(install(tmp_path, f"hook_{kind}", source)))
    assert registry.conflicts() == []
    assert [(each.status, each.why) for each in registry.entries] == [("ok", "")]
    assert registry.entries[0].provides == {kind: ["mine"]}
    assert issubclass(registry.get(kind, "mine"), plugins.KINDS[kind].interface)
    assert [each for each in plugins.KINDS if registry.names(each)] == [kind]
