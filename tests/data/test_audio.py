"""Oracles: samples computed here and the bytes of formats written by hand or by libsndfile."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dstoolkit.data import audio
from dstoolkit.errors import DataError

RATE = 16000


def sine(frequency: float = 440.0, rate: int = RATE, duration: float = 0.5) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(rate * duration)) / rate)).astype(np.float32)


def wav_bytes(samples: np.ndarray, rate: int = RATE, channels: int = 1) -> bytes:
    """16-bit PCM, header written by hand."""
    body = samples.astype("<i2").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(body), b"WAVE", b"fmt ", 16, 1, channels, rate,
                       rate * channels * 2, channels * 2, 16)  # fmt: skip
    return head + struct.pack("<4sI", b"data", len(body)) + body


def sphere_bytes(samples: np.ndarray, coding: str = "pcm", order: str = "01") -> bytes:
    """A NIST SPHERE file as the LDC's tools write it: an object header of 1024 bytes, then the samples."""
    width = 2 if coding.startswith("pcm") else 1
    lines = ["NIST_1A", "   1024", "database_id -s3 AN4", f"channel_count -i 1\nsample_rate -i {RATE}",
             f"sample_count -i {len(samples)}", f"sample_n_bytes -i {width}", f"sample_byte_format -s{width} {order}",
             f"sample_coding -s{len(coding)} {coding}", "end_head"]  # fmt: skip
    head = ("\n".join(lines) + "\n").encode()
    assert len(head) <= 1024
    return head.ljust(1024, b" ") + samples.astype(">i2" if order == "10" else "<i2").tobytes()


RAMP = np.arange(-8000, 8000, 10, dtype=np.int16)


def test_sixteen_bit_wav_is_scaled_by_two_to_the_fifteen(tmp_path: Path) -> None:
    path = tmp_path / "ramp.wav"
    path.write_bytes(wav_bytes(RAMP))
    samples, rate = audio.read(path)
    assert (rate, samples.dtype) == (RATE, np.float32)
    np.testing.assert_array_equal(samples, RAMP / 32768)
    assert audio.info(path) == audio.AudioInfo(RATE, 1, len(RAMP) / RATE)


@pytest.mark.parametrize("order", ["01", "10"])
def test_sphere_pcm_in_both_byte_orders(tmp_path: Path, order: str) -> None:
    path = tmp_path / "ramp.sph"
    path.write_bytes(sphere_bytes(RAMP, order=order))
    np.testing.assert_array_equal(audio.read(path)[0], RAMP / 32768)


def g711_ulaw(code: int) -> int:
    """ITU-T G.711's mu-law expansion to 16 bits, from the standard's segments."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def test_sphere_ulaw(tmp_path: Path) -> None:
    codes = np.arange(256, dtype=np.uint8)
    path = tmp_path / "codes.sph"
    path.write_bytes(sphere_bytes(RAMP[:256], coding="ulaw", order="1")[:1024] + codes.tobytes())
    np.testing.assert_allclose(audio.read(path)[0], [g711_ulaw(int(code)) / 32768 for code in codes], atol=1e-7)


def test_shorten_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "small.sph"
    path.write_bytes(sphere_bytes(RAMP, coding="pcm,embedded-shorten-v2.00")[:1500])
    with pytest.raises(DataError, match=r"shorten.*sph2pipe -f wav small\.sph small\.wav"):
        audio.read(path)


@pytest.mark.parametrize(
    ("name", "subtype"), [("a.flac", "PCM_16"), ("a.ogg", "VORBIS"), ("a.mp3", "MPEG_LAYER_III"), ("a.wav", "FLOAT")]
)
def test_other_formats(tmp_path: Path, name: str, subtype: str) -> None:
    path = tmp_path / name
    tone = sine()
    soundfile.write(path, tone, RATE, subtype=subtype)
    samples, rate = audio.read(path)
    assert rate == RATE
    assert abs(len(samples) - len(tone)) <= 2 * 1152  # an mp3 is whole frames of 1152 samples
    heard = np.abs(np.fft.rfft(samples[: len(tone)], len(tone)))
    assert np.argmax(heard) * RATE / len(tone) == pytest.approx(440, abs=2)


def test_content_not_name_says_the_format(tmp_path: Path) -> None:
    path = tmp_path / "really_flac.wav"
    soundfile.write(path, sine(), RATE, format="FLAC")
    assert audio.info(path).duration == 0.5


def test_stretch_is_the_slice(tmp_path: Path) -> None:
    path = tmp_path / "tone.flac"
    soundfile.write(path, sine(), RATE)
    whole, _ = audio.read(path)
    part, _ = audio.read(path, start=0.1, end=0.25)
    np.testing.assert_array_equal(part, whole[1600:4000])
    np.testing.assert_array_equal(audio.read(path, start=0.4, end=0.9)[0], whole[6400:])  # within the overshoot


@pytest.mark.parametrize(("start", "end"), [(-0.1, 0.2), (0.2, 0.1), (0.2, 0.2), (0.6, None), (0.0, 1.1)])
def test_stretches_outside_the_recording(tmp_path: Path, start: float, end: float | None) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, sine(), RATE)
    with pytest.raises(DataError, match=r"tone\.wav: the stretch from"):
        audio.read(path, start=start, end=end)


def test_channels_are_chosen_or_mixed(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    path.write_bytes(wav_bytes(np.stack([RAMP, RAMP[::-1]], axis=1), channels=2))
    np.testing.assert_array_equal(audio.read(path, channel=1)[0], RAMP[::-1] / 32768)
    np.testing.assert_allclose(audio.read(path, channel="mix")[0], (RAMP + RAMP[::-1]) / 65536, atol=1e-7)
    with pytest.raises(DataError, match="2 channels; expected one; choose one"):
        audio.read(path)
    with pytest.raises(DataError, match="no channel 2; it has only channels 0 to 1"):
        audio.read(path, channel=2)


def test_resampling_keeps_a_tone_and_removes_what_would_alias(tmp_path: Path) -> None:
    path = tmp_path / "tones.wav"
    soundfile.write(path, sine(1000) + sine(6000), RATE, subtype="FLOAT")
    samples, rate = audio.read(path, rate=8000)
    assert (rate, len(samples)) == (8000, 4000)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(4000)))
    assert np.argmax(spectrum) * 8000 / 4000 == 1000
    assert spectrum[1000] < 1e-3 * spectrum.max()  # 6000 Hz would fold to 2000 Hz


def test_raw_only_with_its_rate(tmp_path: Path) -> None:
    path = tmp_path / "ramp.raw"
    path.write_bytes(RAMP.astype(">i2").tobytes())
    with pytest.raises(DataError, match=r"headerless audio.*sox"):
        audio.read(path)
    samples, rate = audio.read_raw(path, RATE, "big")
    np.testing.assert_array_equal(samples, RAMP / 32768)
    assert rate == RATE
    path.write_bytes(b"\0" * 7)
    with pytest.raises(DataError, match="7 bytes"):
        audio.read_raw(path, RATE, "little")


def bad_files(folder: Path) -> dict[str, tuple[bytes | None, str]]:
    soundfile.write(folder / "good.flac", sine(duration=2.0), RATE)
    flac = (folder / "good.flac").read_bytes()
    return {
        "missing.wav": (None, "no such file"),
        "empty.wav": (b"", "an empty file"),
        "text.wav": (b"this is no audio at all\n" * 20, "not readable as audio"),
        "header.wav": (wav_bytes(RAMP)[:30], "not readable as audio"),
        "silent.wav": (wav_bytes(RAMP[:0]), "no samples"),
        "cut.wav": (wav_bytes(RAMP)[:-500], "cut short"),
        "cut.sph": (sphere_bytes(RAMP)[:-500], "cut short"),
        "cut.flac": (flac[: len(flac) // 2], r"not readable as audio|ends after"),
        "nul\0.wav": (None, "null (byte|character)"),
    }


def test_bad_files_are_named(tmp_path: Path) -> None:
    for name, (content, said) in bad_files(tmp_path).items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=said) as caught:
            audio.read(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))


def test_folder_and_samples_that_are_not_finite(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a folder"):
        audio.info(tmp_path)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan, 0.5], dtype=np.float32), RATE, subtype="FLOAT")
    with pytest.raises(DataError, match="not finite"):
        audio.read(tmp_path / "nan.wav")


def test_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(DataError, match="neither a file nor a link"):
        audio.info(tmp_path / "pipe.wav")


def test_header_that_states_more_than_memory_holds(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "huge.flac", sine(), RATE)
    content = bytearray((tmp_path / "huge.flac").read_bytes())
    content[22:26] = b"\x7f\xff\xff\xff"  # the low bits of STREAMINFO's count of samples
    content[21] |= 0x0F  # its four highest bits
    (tmp_path / "huge.flac").write_bytes(bytes(content))
    with pytest.raises(DataError, match="huge"):
        audio.read(tmp_path / "huge.flac")


@pytest.mark.parametrize("seconds", [0.1, 1.0])
def test_long_recordings_are_read_by_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    soundfile.write(tmp_path / "long.flac", sine(duration=seconds), RATE)
    expected, _ = audio.read(tmp_path / "long.flac")
    monkeypatch.setattr(audio, "BLOCK", 1600)
    np.testing.assert_array_equal(audio.read(tmp_path / "long.flac")[0], expected)
    assert len(expected) == seconds * RATE


def test_wav_from_a_pipe_states_no_length(tmp_path: Path) -> None:
    whole = bytearray(wav_bytes(RAMP))
    whole[4:8] = whole[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "streamed.wav").write_bytes(bytes(whole))
    assert len(audio.read(tmp_path / "streamed.wav")[0]) == len(RAMP)


def test_real_speech(corpora: Path) -> None:
    path = next((corpora / "speechocean" / "audio").glob("*.flac"))
    samples, rate = audio.read(path)
    assert rate == 16000
    assert len(samples) / rate == pytest.approx(audio.info(path).duration)
    assert 0.01 < np.abs(samples).max() <= 1
