"""Subsets, combinations and splits: properties over random requests, and small cases by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstoolkit.data import datadir, editing
from dstoolkit.data.datadir import DataDir
from dstoolkit.data.editing import Selection
from dstoolkit.errors import DataError, Faults
from dstoolkit.interfaces import Utterance
from tests.data import speech


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    """12 utterances by 3 speakers; the n-th lasts 0.5 + 0.1 n seconds; 5 different texts."""
    return DataDir.read(speech.whole(tmp_path))


def ids(utterances: list[Utterance]) -> list[str]:
    return [each.id for each in utterances]


def many(count: int, speakers: int = 7, texts: int = 5) -> DataDir:
    """A directory that is not on disk."""
    utterances = [
        Utterance(f"u{at:03d}", f"/x/{at}.wav", f"s{at * at % speakers}", f"Text {at * 3 % texts}")
        for at in range(count)
    ]
    return DataDir(Path("many"), "wav.scp", utterances, {each.id: 1.0 for each in utterances})


def test_subset_by_number(data: DataDir) -> None:
    assert ids(editing.subset(data, Selection(num=3))) == ["s0-u0", "s0-u1", "s0-u2"]
    assert ids(editing.subset(data, Selection(num=2, take="shortest"))) == ["s0-u0", "s0-u1"]
    chosen = ids(editing.subset(data, Selection(num=5, take="random", seed=1)))
    assert chosen == sorted(chosen)
    assert chosen == ids(editing.subset(data, Selection(num=5, take="random", seed=1)))
    assert any(chosen != ids(editing.subset(data, Selection(num=5, take="random", seed=seed))) for seed in (2, 3))


def test_subset_by_hours(data: DataDir) -> None:
    hours = 2.0 / 3600  # 0.5 + 0.6 + 0.7 = 1.8 s, and the next 0.8 s would be too much
    assert ids(editing.subset(data, Selection(hours=hours))) == ["s0-u0", "s0-u1", "s0-u2"]
    with pytest.raises(DataError, match=r"1 hours asked for; expected at most 0\.0035"):
        editing.subset(data, Selection(hours=1))
    with pytest.raises(DataError, match="less than the first utterance's"):
        editing.subset(data, Selection(hours=0.1 / 3600))


def test_subset_by_audio_where_durations_are_unknown(data: DataDir) -> None:
    (data.path / "utt2dur").unlink()
    unknown = DataDir.read(data.path)
    assert editing.durations(unknown) == pytest.approx(data.durations)


def test_durations_of_segments(tmp_path: Path) -> None:
    found = editing.durations(DataDir.read(speech.segmented(tmp_path)))
    assert found == {"r0-a": 0.75, "r0-b": 1.25, "r1-a": 0.75, "r1-b": 1.25}


def test_durations_of_features_need_utt2dur(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"x")
    datadir.write(tmp_path, [Utterance("a", str(tmp_path / "a.npy"), "s")], "feats.scp")
    with pytest.raises(DataError, match="no 'utt2dur'"):
        editing.subset(DataDir.read(tmp_path), Selection(hours=1))


def test_subset_by_ids_and_speakers(data: DataDir, tmp_path: Path) -> None:
    listed = tmp_path / "ids"
    listed.write_text("s1-u2\ns0-u1 and more\ns2-u0\n")
    assert ids(editing.subset(data, Selection(ids=listed))) == ["s0-u1", "s1-u2", "s2-u0"]
    assert ids(editing.subset(data, Selection(ids=listed, speakers=["s1", "s2"]))) == ["s1-u2", "s2-u0"]
    listed.write_text("s1-u2\nzzz\n")
    with pytest.raises(Faults) as caught:
        editing.subset(data, Selection(ids=listed, speakers=["s9"]))
    assert f"{listed}:2: utterance 'zzz' is not in '{data.path}'" in str(caught.value)
    assert "no speaker 's9'; expected one of s0, s1, s2" in str(caught.value)
    listed.write_text("s1-u2\n")
    with pytest.raises(DataError, match="no utterance is of these ids and these speakers"):
        editing.subset(data, Selection(ids=listed, speakers=["s0"]))
    with pytest.raises(DataError, match="13 utterances asked for; expected 1 to 12"):
        editing.subset(data, Selection(num=13))


@given(st.integers(2, 60), st.sampled_from(["speaker", "utterance", "text"]), st.integers(0, 99), st.floats(0.05, 0.9))
def test_split_is_a_partition_that_keeps_groups_whole(count: int, by: str, seed: int, share: float) -> None:
    whole = many(count)
    group = editing.GROUPS[by]
    total = len({group(each) for each in whole.utterances})
    if not 0 < round(share * total) < total:
        return
    parts = editing.split(whole, {"test": str(share), "train": "rest"}, by, seed)  # type: ignore[arg-type]
    assert sorted(ids(parts["test"]) + ids(parts["train"])) == ids(whole.utterances)
    test, train = ({group(each) for each in parts[name]} for name in ("test", "train"))
    assert not test & train
    assert len(test) == round(share * total)
    assert parts == editing.split(whole, {"test": str(share), "train": "rest"}, by, seed)  # type: ignore[arg-type]


def test_random_order_survives_additions() -> None:
    small, large = (editing.split(many(count), {"a": "0.5", "b": "rest"}) for count in (40, 41))
    moved = set(ids(small["a"])) ^ set(ids(large["a"]))
    assert len(moved) <= 2  # the new one, and the one that it pushes over the border


def test_texts_alike_but_for_case_stay_together() -> None:
    utterances = [Utterance(str(at), "/x", "s", text) for at, text in enumerate(["A b", "a  B", "c", "d"])]
    for seed in range(8):
        parts = editing.split(DataDir(Path("x"), "wav.scp", utterances), {"p": "1", "q": "rest"}, "text", seed)
        assert ({"0", "1"} <= set(ids(parts["p"]))) or ({"0", "1"} <= set(ids(parts["q"])))


@pytest.mark.parametrize(
    ("parts", "sizes"),
    [
        ({"a": "0.5", "b": "0.5"}, {"a": 4, "b": 3}),
        ({"a": "10%", "b": "90%"}, {"a": 1, "b": 6}),
        ({"a": "0.3", "b": "0.3", "c": "0.4"}, {"a": 2, "b": 2, "c": 3}),
        ({"a": "2", "b": "rest", "c": "1"}, {"a": 2, "b": 4, "c": 1}),
        ({"a": "1"}, {"a": 1}),
        ({"a": "1.0"}, {"a": 7}),
    ],
)
def test_sizes_of_seven(parts: dict[str, str], sizes: dict[str, int]) -> None:
    assert editing.sizes(parts, 7, "speaker") == sizes


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"a": "8"}, "8 speakers in all; expected at most the 7"),
        ({"a": "0.7", "b": "0.7"}, "10 speakers in all"),
        ({"a": "7", "b": "rest"}, "part 'b': none of 7 speakers"),
        ({"a": "0.01"}, "part 'a': none of 7 speakers"),
        ({"a": "rest", "b": "rest"}, "'rest' twice"),
        ({"a": "some"}, "share 'some'"),
        ({"a": "1.5"}, "share '1.5'"),
        ({"a": "-1"}, "share '-1'"),
        ({"../a": "1"}, r"name '\.\./a'"),
    ],
)
def test_sizes_that_cannot_be(parts: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        editing.sizes(parts, 7, "speaker")


def test_split_by_text_needs_texts(data: DataDir) -> None:
    (data.path / "text").unlink()
    with pytest.raises(DataError, match="no 'text'"):
        editing.split(DataDir.read(data.path), {"a": "1"}, "text")


def test_combine(data: DataDir, tmp_path: Path) -> None:
    half = [DataDir(Path(f"{tmp_path}/{at}"), "wav.scp", data.utterances[at::2]) for at in range(2)]
    assert editing.combine(half) == data.utterances
    with pytest.raises(Faults) as caught:
        editing.combine([half[0], data])
    assert len(caught.value.faults) == 6
    assert f"{data.path}: utterance 's0-u0' is in '{half[0].path}' too" in str(caught.value)
    both = editing.combine([half[0], data], prefix=True)
    assert len(both) == 18
    assert both[0] == Utterance("0-s0-u0", data.utterances[0].path, "0-s0", "yes")


def test_combine_keeps_one_recording_apart_from_another(tmp_path: Path) -> None:
    one, two = (DataDir.read(speech.segmented(tmp_path / name)) for name in "ab")
    renamed = [Utterance(**{**vars(each), "id": f"x-{each.id}"}) for each in two.utterances]
    with pytest.raises(Faults, match="recording 'r0' is in"):
        editing.combine([one, DataDir(two.path, "wav.scp", renamed)])
    both = editing.combine([one, two], prefix=True)
    assert {each.recording for each in both} == {"a-data-r0", "a-data-r1", "b-data-r0", "b-data-r1"}


def test_combine_refuses_mixtures(data: DataDir) -> None:
    features = DataDir(Path("f"), "feats.scp", [Utterance("f", "/f", "s")])
    with pytest.raises(Faults) as caught:
        editing.combine([data, features])
    assert "f: made of 'feats.scp'" in str(caught.value)
    assert f"f: no 'text'; '{data.path}' has one" in str(caught.value)


def test_prefixes(tmp_path: Path) -> None:
    assert editing.prefixes([Path("/x/train"), Path("/y/extra")]) == ["train-", "extra-"]
    assert editing.prefixes([Path("/x/train"), Path("/y/train")]) == ["x-train-", "y-train-"]
    with pytest.raises(DataError, match="the same directory twice"):
        editing.prefixes([tmp_path, tmp_path])
