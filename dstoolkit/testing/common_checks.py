"""Checks that every kind of plugin shares: its name, its options, its words, and how lightly its module loads."""

from __future__ import annotations

import dataclasses
import os
import pickle
import re
import subprocess
import sys

from dstoolkit import config, plugins
from dstoolkit.testing.checks import MODULES, Skipped, Subject, Warned, check, checks, require

KINDS_WITH_OPTIONS = tuple(kind for kind in MODULES if kind != "commands")
HEAVY = ("torch", "numba", "numpy")  # what 'dstoolkit --help' must not wait for: 2 s, 0.5 s, 0.1 s
PROBE_LIMIT = 120  # seconds for a fresh interpreter


@check(*MODULES)
def name_is_a_word(subject: Subject) -> None:
    """A configuration and a command line can say it."""
    name = getattr(subject.cls, "name", None)
    require(
        isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9_-]*", name) is not None,
        f"name is {name!r}; expected lower-case letters, digits, '-' and '_'",
    )


@check(*KINDS_WITH_OPTIONS)
def documented(subject: Subject) -> None:
    """Its own docstring, not its interface's."""
    require(bool((vars(subject.cls).get("__doc__") or "").strip()), f"class {subject.cls.__name__} has no docstring")


@check(*KINDS_WITH_OPTIONS)
def options_have_defaults(subject: Subject) -> None:
    """``Config`` is a frozen dataclass, and ``Config()`` works."""
    config.check_dataclass(subject.label, getattr(subject.cls, "Config", None))
    subject.cls.Config()


@check(*KINDS_WITH_OPTIONS)
def options_survive_yaml(subject: Subject) -> None:
    """What a run writes into its ``config.yaml`` builds the same options again; no field's type is out of reach."""
    given = subject.config
    written = config.dump(config.plain(given))
    read = config.build(type(given), config.parse_value(written), "config.yaml")
    require(read == given, f"{given} came back as {read}")


@check(*KINDS_WITH_OPTIONS)
def options_can_be_pickled(subject: Subject) -> None:
    """Workers of other processes get them by pickle."""
    require(pickle.loads(pickle.dumps(subject.config)) == subject.config, "came back from pickle different")
    require(dataclasses.is_dataclass(subject.config), "is no dataclass")


@check(*MODULES)
def expected_failures_are_real(subject: Subject) -> None:
    """Each names a check of this kind and gives a reason."""
    known = checks(subject.kind)
    for name, reason in subject.expected_failures.items():
        require(name in known, f"expected_failures: no check {name!r}; {config.nearest(name, known)}")
        require(isinstance(reason, str) and bool(reason.strip()), f"expected_failures: {name!r} gives no reason")


@check(*MODULES)
def loads_lightly(subject: Subject) -> None:
    """The entry point's module imports nothing heavy: every ``dstoolkit`` command loads every plugin's module."""
    module = entry_module(subject)
    if heavy := heavy_imports(f"import {module.partition(':')[0]}"):
        raise Warned(f"importing '{module}' imports {', '.join(heavy)}; import them inside the hooks")


def entry_module(subject: Subject) -> str:
    """The module by which the plugin is installed. Raises Skipped where it is not."""
    registry = plugins.load()
    for owner, registered in registry.owners(subject.kind, getattr(subject.cls, "name", "")):
        if registered is subject.cls:
            return owner.module
    raise Skipped("not registered through an entry point here; install its package")


def heavy_imports(code: str) -> list[str]:
    """Which of ``HEAVY`` a fresh interpreter has imported after running ``code``."""
    probe = f"import sys\n{code}\nprint('HEAVY', *(name for name in {HEAVY!r} if name in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    done = subprocess.run(
        [sys.executable, "-c", probe], env=environment, capture_output=True, text=True, timeout=PROBE_LIMIT
    )
    require(done.returncode == 0, f"'{code}' fails by itself: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return done.stdout.rpartition("HEAVY")[2].split()
