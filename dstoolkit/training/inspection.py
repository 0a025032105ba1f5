"""What is wrong with training data before the first step, as far as an archive's moments and its texts tell.

Audio recorded at a lower rate and stored at a higher one leaves the upper frequencies nearly empty: the spectrum falls
off a cliff at half the former rate. Measured on 40 sentences of 16 kHz speech (speechocean762), the mean log energy
differs by less than half a neper (of power) across 4 kHz; of 8 kHz recordings (Kaldi's yesno, the Free Spoken Digit
Dataset) stored at 16 kHz it drops by 6 to 20, by 3 for quiet 16-bit audio, whose upper bins then hold rounding noise
that hardly varies. Linear interpolation, which mirrors the lower frequencies into the upper ones, is not found.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dstoolkit.data.archive import Archive
from dstoolkit.errors import DstoolkitError, few
from dstoolkit.features.fbank import Fbank
from dstoolkit.features.mel import MelConfig, to_mel
from dstoolkit.features.mfcc import Mfcc, cepstral_transform
from dstoolkit.features.spectrogram import Spectrogram
from dstoolkit.pipeline.augmentations import extractor
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.text.normalize import SPOKEN
from dstoolkit.training.health import warn

FloatArray = np.ndarray[Any, np.dtype[np.floating[Any]]]

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000)  # Hz, at which speech is recorded
CLIFF = 5.0  # log power: a drop that speech recorded at the archive's own rate does not show
STEP = 2.0  # log power: a smaller drop counts where the bins above it hardly vary, compared with those below
STILL = 0.5  # ratio of their deviations
CONSTANT = 1e-8  # variance, in squared units of the features
NAMED = 10  # characters in a line


class Spectrum(NamedTuple):
    """Of each bin its frequency in Hz, mean log power and deviation (NaN where that cannot be told)."""

    hertz: FloatArray
    mean: FloatArray
    deviation: FloatArray


def inspect(archive: Archive, vocabulary: Vocabulary, texts: Mapping[str, str]) -> None:
    """One line of warning for each kind of trouble in an archive and its transcripts, ``texts`` by utterance id."""
    found = [constant(archive), empty_above(archive), lost(vocabulary, texts)]
    for each in found:
        if each:
            warn(f"{archive.path}: {each}")


def constant(archive: Archive) -> str:
    """Dimensions that are the same in all frames."""
    still = np.flatnonzero(archive.variance < CONSTANT)
    if not len(still):
        return ""
    names = few([str(each) for each in still.tolist()], NAMED)
    return f"{len(still)} of {archive.dim} dimensions never vary ({names}); they teach nothing: see how it was made"


def empty_above(archive: Archive) -> str:
    """Upper frequencies that hold hardly anything."""
    found = spectrum(archive)
    rate = recorded_at(found) if found else 0
    if not rate:
        return ""
    return (
        f"hardly any energy above {rate / 2:g} Hz, so it seems recorded at about {rate} Hz and stored at "
        f"{archive.sample_rate}; if so, extract all sets with 'features extract --rate {rate}'"
    )


def spectrum(archive: Archive) -> Spectrum | None:
    """The mean spectrum of an archive; None where its features do not tell."""
    try:
        features = extractor(archive)
    except DstoolkitError:  # of a plugin that is not here: nothing can be said
        return None
    mean, deviation = archive.mean.astype(float), np.sqrt(archive.variance.astype(float))
    if isinstance(features, Spectrogram):
        return Spectrum(np.arange(features.dim) * archive.sample_rate / features.length, mean, deviation)
    if isinstance(features, Fbank):
        first = int(features.config.use_energy)
        return Spectrum(centres(features.config, archive.sample_rate), mean[first:], deviation[first:])
    if isinstance(features, Mfcc):
        mean = smoothed(features, mean)
        return Spectrum(centres(features.config, archive.sample_rate), mean, np.full(len(mean), np.nan))
    return None


def centres(config: MelConfig, sample_rate: int) -> FloatArray:
    """Of the mel bins, in Hz."""
    high = config.high_frequency + (sample_rate / 2 if config.high_frequency <= 0 else 0)
    mel = np.linspace(to_mel(config.low_frequency), to_mel(high), config.num_mel_bins + 2)[1:-1]
    hertz: FloatArray = 700.0 * np.expm1(mel / 1127.0)
    return hertz


def smoothed(features: Mfcc, mean: FloatArray) -> FloatArray:
    """Mean cepstra back as mean log mel energies, up to a constant, as finely as so few coefficients tell."""
    config = features.config
    cepstra = mean[: config.num_ceps].copy()
    cepstra[0] = 0.0  # or the frame's energy
    transform = cepstral_transform(config.num_ceps, config.num_mel_bins, config.cepstral_lifter)
    found: FloatArray = np.linalg.pinv(transform.astype(float)) @ cepstra
    return found


def recorded_at(found: Spectrum) -> int:
    """The rate in Hz at which audio of this spectrum was recorded, if lower than it seems; else 0."""
    drops = {rate: drop(found, rate / 2) for rate in RATES}
    rate = max(drops, key=lambda each: drops[each])
    return rate if drops[rate] > 0 else 0


def drop(found: Spectrum, edge: float) -> float:
    """How far the spectrum falls at ``edge`` Hz, if that is a cliff; else 0."""
    below = (found.hertz > 0.7 * edge) & (found.hertz < 0.93 * edge)
    above = (found.hertz > 1.1 * edge) & (found.hertz < 0.97 * found.hertz.max())
    if not (below.any() and above.any()):
        return 0.0
    fall = float(found.mean[below].mean() - found.mean[above].mean())
    still = found.deviation[above].mean() < STILL * found.deviation[below].mean()  # false for NaN
    return fall if fall > (STEP if still else CLIFF) else 0.0


def lost(vocabulary: Vocabulary, texts: Mapping[str, str]) -> str:
    """Characters that are read aloud but have no token, where ``text.unknown`` drops them."""
    if vocabulary.normalization.unknown != "drop":
        return ""  # they are refused
    spoken = [each for each in vocabulary.unknown(texts) if is_spoken(each.character)]
    if not spoken:
        return ""
    count = sum(each.count for each in spoken)
    shown = ", ".join(f"{each.character!r} ({each.count})" for each in spoken[:NAMED])
    more = f" and {len(spoken) - NAMED} more" if len(spoken) > NAMED else ""
    return (
        f"{count} characters of the texts are dropped, for want of a token: {shown}{more}; spell numbers "
        "(text.numbers=spell) or train a tokenizer that has them"
    )


def is_spoken(character: str) -> bool:
    """Letters, digits and signs such as ``$`` are; most punctuation is not."""
    return character in SPOKEN or unicodedata.category(character)[0] in "LMNS"
