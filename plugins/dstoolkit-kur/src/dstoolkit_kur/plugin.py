"""The entry point: what this package adds to dstoolkit. Every dstoolkit command loads it, so all else comes later."""

from __future__ import annotations

DSTOOLKIT_API = 1
