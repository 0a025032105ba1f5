"""Positions by rotation: Su et al. 2021, "RoFormer: enhanced transformer with rotary position embedding".

Value j and value j + d/2 of a head's d values are one complex number, which is turned by t / 10000^(2j/d) at frame t.
So the product of a query and a key depends on how far apart they are, and not on where.
"""

from __future__ import annotations

import torch
from torch import Tensor

BASE = 10000.0  # equation 15 of the paper


def turns(frames: int, dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine of each frame's and pair's angle, ``(frames, dim / 2)`` each, float32."""
    rates = BASE ** -(torch.arange(0, dim, 2, device=device) / dim)
    angles = torch.arange(frames, device=device)[:, None] * rates
    return angles.cos(), angles.sin()


def rotated(heads: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """``(..., frames, dim)``, turned by ``turns``."""
    cosine, sine = (each.to(heads.dtype) for each in turn)
    first, second = heads.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
