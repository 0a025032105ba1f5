"""What the encoders' options have in common to be refused for."""

from __future__ import annotations


def at_least_one(config: object, *names: str) -> None:
    for name in names:
        if getattr(config, name) < 1:
            raise ValueError(f"{name} is {getattr(config, name)}; expected 1 or more")


def check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{name} is {value}; expected 0 to below 1")


def check_intermediate(chosen: tuple[int, ...], layers: int) -> None:
    for layer in chosen:
        if not 1 <= layer < layers:
            raise ValueError(f"intermediate layer {layer}; expected 1 to {layers - 1}, below the last")
