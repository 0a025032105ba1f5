"""The entry point: what this package adds to dstoolkit. Every dstoolkit command loads it, so all else comes later."""

from __future__ import annotations

from dstoolkit.hookspecs import hookimpl
from dstoolkit.interfaces import Command

DSTOOLKIT_API = 1


@hookimpl
def dstoolkit_register_commands() -> list[type[Command]]:
    from dstoolkit_kur.command import KurCommand

    return [KurCommand]
