"""Vocal tract length perturbation: frames as another speaker's, whose formants lie higher or lower.

The value at frequency ``f`` is taken from ``warped(f)``: ``factor * f`` until one of them reaches the highest formants,
then a straight line to half the sample rate, which stays in place. Frames are changed by a matrix: for filterbanks and
spectra it interpolates between their bins; for cepstra it is the cosine transform of the warped cosine series, so that
no spectrum need be computed, and since it is linear, deltas are warped by the same matrix.

Sources: Jaitly and Hinton, Vocal tract length perturbation improves speech recognition, ICML workshop 2013; Pitz and
Ney, Vocal tract normalization equals linear transformation in cepstral space, IEEE Trans. SAP 13(5), 2005.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

FORMANTS = 4800.0  # Hz: the significant formants lie below (Jaitly and Hinton)
SHARE = 0.8  # of half the sample rate, where that is what limits the formants: 3200 Hz at 8 kHz
POINTS = 512  # of the integral over frequency; cepstra have a few dozen coefficients


def warped(frequencies: Any, factor: float, nyquist: float) -> Any:
    """Where the values at ``frequencies`` (Hz, one or an array, 0 to ``nyquist``) come from, in Hz."""
    knee = min(FORMANTS, SHARE * nyquist) * min(factor, 1.0)  # what is read there; it is written at knee / factor
    return np.interp(frequencies, [0.0, knee / factor, nyquist], [0.0, knee, nyquist])


def interpolation(places: Any, count: int) -> FloatArray:
    """``(len(places), count)``: the values at ``places`` between 0 and ``count - 1``, those outside at the ends."""
    distance = np.clip(places, 0, count - 1)[:, None] - np.arange(count)
    weights: FloatArray = np.maximum(0.0, 1.0 - np.abs(distance)).astype(np.float32)
    return weights


def cosine_series(angles: Any, warped_angles: Any, num_ceps: int) -> Any:
    """Cepstra of a log spectrum -> those of the spectrum read at ``warped_angles`` where ``angles`` were.

    ``(num_ceps, num_ceps)`` float64. Angles run from 0 to pi over the filterbank, evenly. Coefficients are those of
    the orthonormal cosine transform.
    """
    scale = np.sqrt(np.where(np.arange(num_ceps) == 0, 1.0, 2.0) / len(angles))
    order = np.arange(num_ceps)
    analysis = scale * np.cos(np.multiply.outer(angles, order))
    return analysis.T @ (scale * np.cos(np.multiply.outer(warped_angles, order)))


def without_band(num_ceps: int, first: float, last: float) -> Any:
    """Cepstra of a log spectrum -> those of the one that is 0 from ``first`` to ``last``, shares of the filterbank.

    ``(num_ceps, num_ceps)`` float64, for coefficients of the orthonormal cosine transform.
    """
    places = (np.arange(POINTS) + 0.5) / POINTS
    scale = np.sqrt(np.where(np.arange(num_ceps) == 0, 1.0, 2.0) / POINTS)
    analysis = scale * np.cos(np.pi * np.multiply.outer(places, np.arange(num_ceps)))
    kept = (places < first) | (places >= last)
    return analysis[kept].T @ analysis[kept]


def of_blocks(matrix: Any, blocks: int) -> FloatArray:
    """The matrix for frames that are followed by their deltas: the same one for each block, nothing between them."""
    return np.kron(np.eye(blocks), matrix).astype(np.float32)
