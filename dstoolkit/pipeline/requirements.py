"""The plugins that a bundle needs: found when it is packed, looked for when it is used."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from dstoolkit import plugins
from dstoolkit.errors import DstoolkitError, Faults, PluginError
from dstoolkit.plugins import KINDS, LIST_ADVICE

DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # a project's name, as PyPA has it
VERSION = re.compile(r"[A-Za-z0-9.!+_-]+")


@dataclass(frozen=True)
class Requirement:
    """A distribution, the version that was there, and the names it registers that are needed, by kind."""

    distribution: str = ""
    version: str = ""
    needs: Mapping[str, Any] = field(default_factory=dict)  # kind -> names

    def __post_init__(self) -> None:
        if not DISTRIBUTION.fullmatch(self.distribution) or not VERSION.fullmatch(self.version):
            raise ValueError(f"{self.distribution!r} {self.version!r}; expected a distribution and its version")
        for kind, names in self.needs.items():
            if kind not in KINDS or not isinstance(names, list) or not all(isinstance(each, str) for each in names):
                raise ValueError(f"needs {names!r} of {kind!r}; expected names by kind")


def of(names: Mapping[str, str]) -> list[Requirement]:
    """What registers these, kind -> name. Raises PluginError where nothing does."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for kind, name in names.items():
        plugins.load().get(kind, name)
        entry = plugins.load().owners(kind, name)[0][0]
        found.setdefault((entry.distribution, entry.version or "0"), {}).setdefault(kind, []).append(name)
    return [Requirement(*who, needs) for who, needs in sorted(found.items())]


def check(where: object, required: Sequence[Requirement]) -> None:
    """Raises PluginError, or Faults, naming every plugin that is missing and how to install it."""
    faults: list[DstoolkitError] = []
    for each in required:
        for kind, names in each.needs.items():
            faults += [_missing(where, each, kind, name) for name in names if not plugins.load().owners(kind, name)]
    Faults.check(faults)
    for each in required:
        for kind, names in each.needs.items():
            for name in names:
                plugins.load().get(kind, name, str(where))  # refuses what two plugins claim


def _missing(where: object, required: Requirement, kind: str, name: str) -> PluginError:
    found = f"needs {KINDS[kind].singular} {name!r} of '{required.distribution}' {required.version}"
    state = next((each for each in plugins.load().entries if each.distribution == required.distribution), None)
    if state is not None and state.status != "ok":
        return PluginError(where, found, f"which is {state.status}: {state.why}", LIST_ADVICE)
    here = installed(required.distribution)
    expected = f"version {here} here does not have it" if here else "which is not installed"
    return PluginError(where, found, expected, f"pip install '{required.distribution}>={required.version}'")


def installed(distribution: str) -> str:
    """The version that is here; empty for none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def notes(required: Sequence[Requirement]) -> list[str]:
    """What differs from where it was packed and need not be wrong: other versions, other distributions."""
    lines = []
    for each in required:
        owners = {
            entry.distribution: entry.version
            for kind, names in each.needs.items()
            for name in names
            for entry, _ in plugins.load().owners(kind, name)
        }
        for distribution, version in owners.items():
            if (distribution, version) != (each.distribution, each.version):
                lines.append(f"packed with {each.distribution} {each.version}, here is {distribution} {version}")
    return lines


def exact(required: Sequence[Requirement]) -> str:
    """``pip install 'dstoolkit==0.1.0' ...``."""
    return "pip install " + " ".join(f"'{each.distribution}=={each.version}'" for each in required)
