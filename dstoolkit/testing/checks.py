"""The contract kit: named checks per kind of plugin, run by pytest, by a call, or by ``dstoolkit plugins check``.

A check is a function of a ``Subject`` that returns where the plugin keeps the contract and raises ``CheckFailed``
(through ``require``) where it does not; any other exception is a failure too. It may raise ``Skipped`` where it has
nothing to go by, and ``Warned`` for what is allowed and unwise. A plugin that cannot pass a check says so, with the
reason, in its class attribute ``expected_failures``; a check that passes against expectation is a failure.

The checks of each kind are in the module that ``MODULES`` names, and those of all kinds in ``common_checks``.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstoolkit import plugins
from dstoolkit.errors import PluginError
from dstoolkit.interfaces import Plugin

if TYPE_CHECKING:
    import pytest

MODULES = {
    "features": "dstoolkit.testing.features_checks",
    "augmentations": "dstoolkit.testing.augmentation_checks",
    "encoders": "dstoolkit.testing.encoder_checks",
    "losses": "dstoolkit.testing.loss_checks",
    "decoders": "dstoolkit.testing.decoder_checks",
    "tokenizers": "dstoolkit.testing.tokenizer_checks",
    "corpora": "dstoolkit.testing.corpus_checks",
    "commands": "dstoolkit.testing.command_checks",
}

CheckFunction = Callable[["Subject"], None]
_CHECKS: dict[str, dict[str, CheckFunction]] = {kind: {} for kind in MODULES}


class CheckFailed(AssertionError):
    """The plugin breaks its contract; the message says how."""


class Skipped(Exception):
    """The check has nothing to go by; the message says what is missing."""


class Warned(Exception):
    """Allowed, and unwise; the message says why."""


@dataclass(frozen=True)
class Subject:
    """What is checked: a plugin class, options other than its defaults (a ``Config``), and a corpus's folder."""

    cls: type[Any]
    options: Any = None
    folder: Path | None = None

    @property
    def kind(self) -> str:
        """Raises PluginError for a class of no kind."""
        for kind, each in plugins.KINDS.items():
            if isinstance(self.cls, type) and issubclass(self.cls, each.interface):
                return kind
        raise PluginError(
            f"plugin {getattr(self.cls, '__name__', self.cls)!r}",
            "is no plugin class",
            f"expected a subclass of one of {', '.join(each.interface.__name__ for each in plugins.KINDS.values())}",
        )

    @property
    def label(self) -> str:
        """``encoder 'dense'``."""
        name = getattr(self.cls, "name", None) or self.cls.__name__
        return f"{plugins.KINDS[self.kind].singular} {name!r}"

    @property
    def config(self) -> Any:
        return self.cls.Config() if self.options is None else self.options

    @property
    def expected_failures(self) -> dict[str, str]:
        return dict(getattr(self.cls, "expected_failures", {}))


@dataclass(frozen=True)
class Outcome:
    """What became of one check. ``status`` is ok, failed, expected (a failure with a reason), skipped or warned."""

    check: str
    status: str
    why: str = ""


@dataclass(frozen=True)
class BoundCheck:
    """One check of one subject. Calling it raises what pytest understands; ``outcome`` never raises."""

    name: str
    function: CheckFunction
    subject: Subject

    def __call__(self) -> None:
        import pytest

        try:
            self.function(self.subject)
        except Skipped as reason:
            pytest.skip(str(reason))
        except Warned as reason:
            warnings.warn(f"{self.subject.label}: {reason}", stacklevel=2)

    def outcome(self) -> Outcome:
        outcome = self._run()
        reason = self.subject.expected_failures.get(self.name)
        if reason is None or outcome.status == "skipped":
            return outcome
        if outcome.status == "failed":
            return Outcome(self.name, "expected", reason)
        return Outcome(
            self.name, "failed", f"expected to fail ({reason}) and did not; remove it from expected_failures"
        )

    def _run(self) -> Outcome:
        try:
            self.function(self.subject)
        except Skipped as reason:
            return Outcome(self.name, "skipped", str(reason))
        except Warned as reason:
            return Outcome(self.name, "warned", str(reason))
        except CheckFailed as failure:
            return Outcome(self.name, "failed", str(failure))
        except Exception as error:  # whatever a stranger's class raises is its failure
            return Outcome(self.name, "failed", f"raised {plugins.reason(error)}")
        return Outcome(self.name, "ok")


def check(*kinds: str) -> Callable[[CheckFunction], CheckFunction]:
    """Register a function as a check of these kinds, under its own name."""

    def register(function: CheckFunction) -> CheckFunction:
        for kind in kinds:
            _CHECKS[kind][function.__name__] = function
        return function

    return register


def require(condition: bool, why: str) -> None:
    """Raise CheckFailed with ``why`` unless ``condition``."""
    if not condition:
        raise CheckFailed(why)


def checks(kind: str) -> dict[str, CheckFunction]:
    """The checks of a kind, by name, in the order in which they run."""
    importlib.import_module("dstoolkit.testing.common_checks")
    importlib.import_module(MODULES[kind])
    return dict(_CHECKS[kind])


def bind(subject: type[Plugin] | Subject) -> list[BoundCheck]:
    """All checks of a plugin class (with its default options) or of a subject. Raises PluginError for neither."""
    subject = subject if isinstance(subject, Subject) else Subject(subject)
    return [BoundCheck(name, function, subject) for name, function in checks(subject.kind).items()]


def run_checks(subject: type[Plugin] | Subject) -> list[Outcome]:
    """Run every check; none stops another. The plugin keeps its contract where no outcome's status is ``failed``."""
    return [each.outcome() for each in bind(subject)]


def parametrize_with_checks(subjects: Iterable[type[Plugin] | Subject]) -> pytest.MarkDecorator:
    """A pytest decorator: the test is called once per plugin and check, with the argument ``check`` to be called.

    Expected failures become strict xfails with their reasons.
    """
    import pytest

    bound = [each for subject in subjects for each in bind(subject)]
    return pytest.mark.parametrize("check", [_parameter(each) for each in bound])


def _parameter(bound: BoundCheck) -> Any:
    import pytest

    reason = bound.subject.expected_failures.get(bound.name)
    marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason is not None else []
    return pytest.param(bound, id=f"{bound.subject.cls.__name__}-{bound.name}", marks=marks)
