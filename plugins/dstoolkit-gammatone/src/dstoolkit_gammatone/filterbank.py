"""Gammatone filters, equally spaced on the ERB-rate scale.

The ear's filters let pass as much as a rectangle of ``24.7 (4.37 f / 1000 + 1)`` Hz would, the equivalent rectangular
bandwidth (ERB) at ``f`` Hz; the ERB-rate ``21.4 log10(1 + 0.00437 f)`` counts how many of them lie below ``f``
(Glasberg and Moore, "Derivation of auditory filter shapes from notched-noise data", Hearing Research 47, 1990). Their
shape is the gammatone's of order 4, with the impulse response

    g(t) = t^3 exp(-2 pi b t) cos(2 pi f t),  t >= 0,  b = 1.019 ERB(f)

(Patterson et al., "An efficient auditory filterbank based on the gammatone function", APU report 2341, 1987; Slaney,
"An efficient implementation of the Patterson-Holdsworth auditory filter bank", Apple technical report 35, 1993). Its
Fourier transform is that of ``t^3 exp(-2 pi b t)``, which is ``6 / (2 pi (b + j v))^4``, moved to ``f`` and to ``-f``.
Frequencies are in Hz.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dstoolkit.features import warping

ORDER = 4
BANDWIDTH = 1.019  # b in ERB, so that the gammatone of order 4 has the ear's equivalent rectangular bandwidth


def erb(frequency: Any) -> Any:
    """The equivalent rectangular bandwidth in Hz at a frequency, one or an array."""
    return 24.7 * (4.37e-3 * np.asarray(frequency) + 1)


def to_erb_rate(frequency: Any) -> Any:
    """Hz, one or an array, in ERBs from 0 Hz; odd, so that places just below 0 Hz have one too."""
    frequency = np.asarray(frequency)
    return np.sign(frequency) * 21.4 * np.log10(1 + 4.37e-3 * np.abs(frequency))


def to_hertz(rate: Any) -> Any:
    """The inverse of ``to_erb_rate``."""
    rate = np.asarray(rate)
    return np.sign(rate) * (10 ** (np.abs(rate) / 21.4) - 1) / 4.37e-3


def power_response(centre: float, frequencies: Any) -> Any:
    """The squared magnitude of a gammatone's response at ``(frequencies,)`` Hz, 1 at its centre; float64."""
    width = BANDWIDTH * erb(centre)

    def response(at: Any) -> Any:
        """But for a constant."""
        return (width + 1j * (at - centre)) ** -ORDER + (width + 1j * (at + centre)) ** -ORDER

    return np.abs(response(np.asarray(frequencies)) / response(centre)) ** 2


class Filterbank:
    """``num_filters`` gammatones: the first is centred on ``low`` Hz, and ``high`` is one step above the last's centre.

    So they are placed by Slaney (1993); half the sample rate may be ``high``, and no filter is cut in two by it.
    """

    def __init__(self, num_filters: int, low: float, high: float, nyquist: float) -> None:
        self.num_filters, self.nyquist = num_filters, nyquist
        self.start = float(to_erb_rate(low))
        self.step = (float(to_erb_rate(high)) - self.start) / num_filters  # in ERBs, from one centre to the next

    def centres(self) -> Any:
        """``(num_filters,)`` float64, Hz."""
        return to_hertz(self.start + self.step * np.arange(self.num_filters))

    def weights(self, frequencies: Any) -> Any:
        """``(num_filters, frequencies)`` float64: what each filter lets pass of the power at these frequencies."""
        return np.stack([power_response(centre, frequencies) for centre in self.centres()])

    def warped(self, filters: Any, factor: float) -> Any:
        """Filters, by number, fractions too -> those that vocal tract length perturbation takes their values from."""
        hertz = to_hertz(self.start + self.step * np.asarray(filters))
        hertz = np.sign(hertz) * warping.warped(np.abs(hertz), factor, self.nyquist)
        return (to_erb_rate(hertz) - self.start) / self.step

    def warped_cepstra(self, num_ceps: int, factor: float) -> Any:
        """What perturbs orthonormal cepstra of the filters, ``(num_ceps, num_ceps)`` float64."""
        angles = (np.arange(warping.POINTS) + 0.5) * np.pi / warping.POINTS
        filters = self.warped(angles * self.num_filters / np.pi - 0.5, factor)
        return warping.cosine_series(angles, (filters + 0.5) * np.pi / self.num_filters, num_ceps)
