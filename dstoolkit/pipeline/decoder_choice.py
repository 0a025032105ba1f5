"""Which decoder a command uses, and with which options: the experiment's, a file's, ``--set``, and options of its own.

Each overrides those before it. The command's own options (``--lm``, ``--beam``) are options of the decoder ``beam``:
they, and ``--set`` of such options, choose it where no decoder was named, and are refused where the one that was has no
such option.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dstoolkit import config, plugins, stamp
from dstoolkit.config import Choice
from dstoolkit.errors import ConfigError, DataError, Faults

SEARCH = "beam"  # the decoder whose options commands have by themselves


def choose(default: Choice, path: Path | None, overrides: Sequence[str], own: Mapping[str, Any]) -> Choice:
    """``default``, or what ``path`` (its section ``decoder``), ``--set decoder...`` and ``own`` options make of it.

    ``own`` options that are None were not given. Raises ConfigError or Faults.
    """
    given = {name: value for name, value in own.items() if value is not None}
    keys = [override.partition("=")[0].split(".") for override in overrides]
    named = path is not None or any(key in (["decoder"], ["decoder", "name"]) for key in keys)
    wanted = given.keys() | {key[1] for key in keys if key[0] == "decoder" and len(key) > 1}
    if not named and not wanted <= options_of(default) and wanted <= options_of(Choice(SEARCH)):
        default = Choice(SEARCH)
    choice = _section(default, path, overrides)
    Faults.check(
        ConfigError(
            f"--{name}",
            f"decoder {choice.name!r} has no option {name!r}",
            "",
            f"choose one that has with --set decoder={SEARCH}, or leave --{name} out",
        )
        for name in given
        if name not in options_of(choice)
    )
    return Choice(choice.name, {**choice.options, **given}, choice.where or "decoder")


def _section(default: Choice, path: Path | None, overrides: Sequence[str]) -> Choice:
    """The section ``decoder`` of the file, else the default, with what ``--set`` makes of it."""
    if path is None and not overrides:
        return default
    values = {"decoder": config.plain(default) if path is None else config.load(path).get("decoder")}
    if values["decoder"] is None:
        raise ConfigError(path, "no section 'decoder'", "expected a decoder and its options")
    for override in sorted(overrides, key=names_options):  # a decoder named after its options does not undo them
        config.override(values, override)
        if values.keys() != {"decoder"}:
            found = "not used in decoding"
            raise ConfigError(f"--set {override}", found, "expected decoder=NAME or decoder.OPTION=VALUE")
    return config.as_choice(values["decoder"], config.join(str(path or "--set"), "decoder"))


def names_options(override: str) -> bool:
    return override.partition("=")[0] not in ("decoder", "decoder.name")


def options_of(choice: Choice) -> set[str]:
    """The names of a decoder's options. Raises PluginError where there is no such decoder."""
    return {each.name for each in dataclasses.fields(plugins.load().get("decoders", choice.name, choice.where).Config)}


def made_by(choice: Choice) -> tuple[dict[str, Any], dict[str, str]]:
    """For a stamp: the decoder's options with their defaults, and a digest for each file that they name instead.

    Raises DataError or Faults where a file is missing.
    """
    decoder, options = plugins.choose("decoders", choice)
    files = decoder.inputs(options)
    Faults.check(
        DataError(path, "no such file", f"decoder option '{name}' names it")
        for name, path in files.items()
        if not path.exists()
    )
    plain = {key: value for key, value in config.plain(options).items() if key not in files}
    return {"name": choice.name, **plain}, {f"decoder.{name}": stamp.origin(path) for name, path in files.items()}
