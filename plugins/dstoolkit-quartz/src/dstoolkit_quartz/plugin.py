"""The entry point: what this package adds to dstoolkit. Every dstoolkit command loads it, so torch comes later."""

from __future__ import annotations

from dstoolkit.hookspecs import hookimpl
from dstoolkit.interfaces import Encoder

DSTOOLKIT_API = 1


@hookimpl
def dstoolkit_register_encoders() -> list[type[Encoder]]:
    from dstoolkit_quartz.encoder import Quartz

    return [Quartz]
