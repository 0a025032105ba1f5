"""Errors a user can mend, in one form: ``where: what was found; what was expected; what to do``.

Lower case, no full stop, values quoted. Every command exits with status 2 for these and with 1 for anything else (a
crash of ours, whose traceback ``--debug`` shows). Several faults found at once travel together in ``Faults``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

FAULTS_SHOWN = 10  # the rest are counted


class DstoolkitError(Exception):
    """What a user can mend. ``str(error)`` is the whole line that the command prints."""

    exit_code = 2

    def __init__(self, where: object, found: str, expected: str = "", advice: str = "") -> None:
        self.where, self.found, self.expected, self.advice = str(where), found, expected, advice
        super().__init__(where, found, expected, advice)

    def __str__(self) -> str:
        tail = "; ".join(part for part in (self.found, self.expected, self.advice) if part)
        return f"{self.where}: {tail}" if self.where else tail


class ConfigError(DstoolkitError):
    """A configuration file or ``--set`` that cannot be used."""


class DataError(DstoolkitError):
    """A data directory, transcript or audio file that cannot be used."""


class ArchiveError(DstoolkitError):
    """A feature archive that is truncated, altered or of another format."""


class PluginError(DstoolkitError):
    """A plugin that is missing, blocked, broken or in conflict with another."""


class FetchError(DstoolkitError):
    """A corpus or a bundle that could not be fetched, verified, unpacked or sent."""


class StampError(DstoolkitError):
    """An output that exists already and was made from something else."""


def few(names: Sequence[str], shown: int = 3) -> str:
    """``'a', 'b', 'c' and 4 more``: the first names, quoted, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(f"'{name}'" for name in names[:shown]) + more


class Faults(DstoolkitError):
    """Several faults, reported together: the first ten, then a count.

    ``Faults.check(faults)`` raises the single fault as it is, several as one ``Faults``, and nothing for none.
    """

    def __init__(self, faults: Sequence[DstoolkitError]) -> None:
        self.faults = tuple(faults)
        super().__init__("", f"{len(self.faults)} faults")
        self.args = (self.faults,)  # what pickle calls the class with, on the way home from a worker process

    def __str__(self) -> str:
        lines = [str(fault) for fault in self.faults[:FAULTS_SHOWN]]
        if len(self.faults) > FAULTS_SHOWN:
            lines.append(f"and {len(self.faults) - FAULTS_SHOWN} more faults")
        return "\n".join(lines)

    @classmethod
    def check(cls, faults: Iterable[DstoolkitError]) -> None:
        found = list(faults)
        if len(found) == 1:
            raise found[0]
        if found:
            raise cls(found)
