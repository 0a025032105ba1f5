"""The archive: round trips, faults, forks, and that nothing half-written is left."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import resource
import shutil
import signal

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.data.archive import Archive, ArchiveWriter
from dstoolkit.errors import ArchiveError, DataError, Faults

RNG = np.random.default_rng(0)
DIM = 5
UTTERANCES = [RNG.standard_normal((length, DIM)).astype(np.float32) for length in (3, 1, 8, 20, 2, 5)]
ABOUT = {"extractor": "fbank", "config": {"bins": 5, "window": "povey"}, "sample_rate": 8000, "frame_shift": 0.01}


def write(path, utterances=UTTERANCES, dim=DIM, **options):
    with ArchiveWriter(path, **ABOUT, dim=dim, **options) as writer:
        for at, frames in enumerate(utterances):
            writer.add(f"utt-é{at}", frames, f"speaker{at % 2}", len(frames) * 0.01)
    return path


@pytest.fixture(params=[None, 10], ids=["one file", "shards"])
def path(request, tmp_path):
    return write(tmp_path / "features.h5", shard_frames=request.param)


def test_round_trip(path):
    with Archive(path) as archive:
        assert len(archive) == 6
        assert list(archive.utterance_ids) == [f"utt-é{at}" for at in range(6)]
        assert list(archive.speakers) == ["speaker0", "speaker1"] * 3
        assert archive.lengths.tolist() == [3, 1, 8, 20, 2, 5]
        assert archive.lengths.dtype == np.int64
        np.testing.assert_allclose(archive.durations, archive.lengths * 0.01)
        assert (archive.extractor, archive.config) == (ABOUT["extractor"], ABOUT["config"])
        assert (archive.sample_rate, archive.frame_shift, archive.dim, archive.dtype) == (8000, 0.01, DIM, "float32")
        for index, frames in enumerate(UTTERANCES):
            assert np.array_equal(archive.frames(index), frames)
            assert archive.index(f"utt-é{index}") == index
        whole = np.concatenate(UTTERANCES)
        np.testing.assert_allclose(archive.mean, whole.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(archive.variance, whole.var(axis=0), atol=1e-6)
        mean, variance = archive.moments([1, 3])
        some = np.concatenate([UTTERANCES[1], UTTERANCES[3]])
        np.testing.assert_allclose(mean, some.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(variance, some.var(axis=0), atol=1e-6)
        archive.verify()


def test_ranges(path):
    archive = Archive(path)
    for first in range(6):
        for last in range(first + 1, 7):
            assert np.array_equal(archive.read(first, last), np.concatenate(UTTERANCES[first:last]))
    for wrong in (0, 7), (3, 3), (-1, 2):
        with pytest.raises(IndexError):
            archive.read(*wrong)
    with pytest.raises(ArchiveError, match="no utterance 'nobody'"):
        archive.index("nobody")


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=12), shard=st.integers(1, 60))
def test_shards_hold_no_more_than_they_may(tmp_path_factory, lengths, shard):
    utterances = [np.full((length, 2), at, np.float32) for at, length in enumerate(lengths)]
    path = write(tmp_path_factory.mktemp("a") / "features.h5", utterances, 2, shard_frames=shard)
    archive = Archive(path)
    assert np.array_equal(archive.read(0, len(lengths)), np.concatenate(utterances))
    for file in archive.shards:
        part = Archive(file)
        assert part.lengths.sum() <= shard or len(part) == 1


def test_any_hdf5_reader_sees_all_frames(path):
    with h5py.File(path) as file:
        assert np.array_equal(file["frames"][:], np.concatenate(UTTERANCES))
        assert file["offsets"][:].tolist() == [0, 3, 4, 12, 32, 34, 39]


def test_float16_halves_the_frames(tmp_path):
    archive = Archive(write(tmp_path / "a.h5", dtype="float16"))
    found = archive.frames(3)
    assert found.dtype == np.float32
    assert np.array_equal(found, UTTERANCES[3].astype(np.float16).astype(np.float32))
    archive.verify()


def test_the_same_frames_give_the_same_bytes(tmp_path):
    assert write(tmp_path / "a.h5").read_bytes() == write(tmp_path / "b.h5").read_bytes()


def test_frames_are_the_callers_own(path):
    archive = Archive(path)
    archive.frames(0)[:] = 0
    assert np.array_equal(archive.frames(0), UTTERANCES[0])


def read_all(archive, queue):
    queue.put([archive.frames(index) for index in range(len(archive))])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers(path, method):
    archive = Archive(path)
    archive.frames(0)  # opened before the fork
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    worker = context.Process(target=read_all, args=(archive, queue))
    worker.start()
    found = queue.get(timeout=60)
    worker.join()
    assert all(np.array_equal(one, other) for one, other in zip(found, UTTERANCES, strict=True))


def repack(path):
    """Compress the frames, as h5repack would."""
    with h5py.File(path, "r+") as file:
        frames = file["frames"][:]
        del file["frames"]
        file.create_dataset("frames", data=frames, compression="gzip")


def test_compressed_frames_are_read_through_h5py_and_across_a_fork(tmp_path):
    archive = Archive(write(tmp_path / "a.h5"))
    repack(tmp_path / "a.h5")
    archive = Archive(tmp_path / "a.h5")
    assert np.array_equal(archive.frames(3), UTTERANCES[3])
    queue = multiprocessing.get_context("fork").Queue()
    worker = multiprocessing.get_context("fork").Process(target=read_all, args=(archive, queue))
    worker.start()
    assert np.array_equal(queue.get(timeout=60)[3], UTTERANCES[3])
    worker.join()
    archive.close()
    assert np.array_equal(archive.frames(2), UTTERANCES[2])


def edit(change):
    """Change an HDF5 file by hand."""

    def edited(path):
        with h5py.File(path, "r+") as file:
            change(file)

    return edited


def replace(name, value):
    def change(file):
        del file[name]
        file[name] = value

    return edit(change)


def assign(name, at, value):
    def change(file):
        file[name][at] = value

    return edit(change)


def cut(share):
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


ALTERED = {
    "cut by 1 %": (cut(0.99), "truncated"),
    "cut in half": (cut(0.5), "truncated"),
    "emptied": (cut(0), "no HDF5 file"),
    "junk": (lambda path: path.write_bytes(b"junk" * 1000), "no HDF5 file"),
    "missing": (lambda path: path.unlink(), "no such file"),
    "another version": (edit(lambda file: file.attrs.update(format_version=99)), "archive format 99"),
    "no version": (edit(lambda file: file.attrs.pop("format_version")), "without 'format_version'"),
    "another frame shift": (edit(lambda file: file.attrs.update(frame_shift=0.02)), "altered"),
    "another config": (edit(lambda file: file.attrs.update(config="{}")), "altered"),
    "a config that is none": (edit(lambda file: file.attrs.update(config="{")), "unreadable"),
    "a lost attribute": (edit(lambda file: file.attrs.pop("sample_rate")), "unreadable"),
    "a lost checksum": (edit(lambda file: file.attrs.pop("checksum")), "unreadable"),
    "lost frames": (edit(lambda file: file.pop("frames")), "unreadable"),
    "double frames": (replace("frames", np.zeros((39, DIM))), "frames of type float64"),
    "fewer frames": (replace("frames", np.zeros((38, DIM), np.float32)), "contradict"),
    "flat frames": (replace("frames", np.zeros(39, np.float32)), "contradict"),
    "a renamed utterance": (assign("utterance_ids", 0, b"utt-x"), "altered"),
    "a repeated utterance": (assign("utterance_ids", 0, "utt-é1".encode()), "occurs twice"),
    "another speaker": (assign("speakers", 0, b"x"), "altered"),
    "another duration": (assign("durations", 0, 9.0), "altered"),
    "moved offset": (assign("offsets", 1, 2), "altered"),
    "offsets that fall": (assign("offsets", 1, 20), "contradict"),
    "fewer offsets": (replace("offsets", np.array([0, 39])), "differ in number"),
    "another digest": (assign("digests", 0, 0), "altered"),
}


@pytest.mark.parametrize("kind", ALTERED)
def test_an_altered_archive_is_refused(tmp_path, kind):
    path = write(tmp_path / "features.h5")
    alter, says = ALTERED[kind]
    alter(path)
    with pytest.raises(ArchiveError, match=says) as caught:
        Archive(path)
    assert str(path) in str(caught.value)


def test_altered_frames_are_found_when_first_read_and_by_verify(path):
    with h5py.File(Archive(path).shards[0], "r+") as file:
        file["frames"][0, 0] += 1
        file["frames"][3, 0] += 1
    archive = Archive(path)
    with pytest.raises(ArchiveError, match="utterance 'utt-é0' altered"):
        archive.frames(0)
    with pytest.raises(Faults, match="utt-é1"):
        archive.verify()
    assert np.array_equal(archive.frames(2), UTTERANCES[2])
    with pytest.raises(ArchiveError, match="utterance 'utt-é1' altered"):
        archive.read(1, 4)


def test_shards_belong_to_their_index(tmp_path):
    write(tmp_path / "features.h5", shard_frames=10)
    first, second = Archive(tmp_path / "features.h5").shards[:2]
    shutil.copy(first, second)
    with pytest.raises(ArchiveError, match="not the shard"):
        Archive(tmp_path / "features.h5")
    second.unlink()
    with pytest.raises(ArchiveError, match="no such file"):
        Archive(tmp_path / "features.h5")


def test_shards_move_with_their_index(tmp_path):
    (tmp_path / "old").mkdir()
    write(tmp_path / "old" / "features.h5", shard_frames=10)
    (tmp_path / "old").rename(tmp_path / "new")
    Archive(tmp_path / "new" / "features.h5").verify()
    with h5py.File(tmp_path / "new" / "features.h5") as file:
        assert np.array_equal(file["frames"][:], np.concatenate(UTTERANCES))


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        (np.zeros((0, DIM)), "too short"),
        (np.zeros((3, DIM + 1)), "shape"),
        (np.zeros(DIM), "shape"),
        (np.full((3, DIM), np.nan), "not finite"),
        (np.full((3, DIM), 1e5), "not finite in float16.*--dtype float32"),
    ],
)
def test_frames_of_no_use_are_refused_and_nothing_is_left(tmp_path, frames, says):
    with pytest.raises(DataError, match=says):
        write(tmp_path / "a.h5", [UTTERANCES[0], frames], dtype="float16", shard_frames=1)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_archive_and_a_repeated_id_are_refused(tmp_path):
    with pytest.raises(ArchiveError, match="no utterances"):
        write(tmp_path / "a.h5", [])
    with ArchiveWriter(tmp_path / "b.h5", **ABOUT, dim=DIM) as writer:
        writer.add("u", UTTERANCES[0], "s", 1.0)
        with pytest.raises(DataError, match="'u': occurs twice"):
            writer.add("u", UTTERANCES[0], "s", 1.0)
    assert len(Archive(tmp_path / "b.h5")) == 1
    (tmp_path / "b.h5").unlink()
    assert list(tmp_path.iterdir()) == []


def write_limited(folder, limit, shard_frames, queue):
    """Write under a limit on file sizes, which fails as a full disk does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        write(folder / "features.h5", [np.ones((1000, DIM), np.float32)] * 30, shard_frames=shard_frames)
    except OSError as error:
        queue.put(str(error))
        return
    queue.put("written")


@pytest.mark.parametrize("shard_frames", [None, 1000])
@pytest.mark.parametrize("limit", [1000, 300_000, 601_000])
def test_no_space_left_is_an_os_error_and_nothing_is_left(tmp_path, limit, shard_frames):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    worker = context.Process(target=write_limited, args=(tmp_path, limit, shard_frames, queue))
    worker.start()
    said = queue.get(timeout=60)
    worker.join()
    if said != "written":
        assert str(tmp_path) in said
        assert list(tmp_path.iterdir()) == []
    else:
        assert shard_frames == 1000
        Archive(tmp_path / "features.h5").verify()
    assert limit > 1000 or said != "written"


def test_pickling_keeps_the_path_alone(path):
    assert len(pickle.dumps(Archive(path))) < 500
    assert json.dumps(list(pickle.loads(pickle.dumps(Archive(path))).utterance_ids))
