"""The data commands as a user runs them: what they print, their exit status, and what is on disk afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dstoolkit import stamp
from dstoolkit.data import datadir, validate
from dstoolkit.data.datadir import DataDir
from tests.conftest import Command
from tests.data import speech


def snapshot_but_stamps(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in speech.snapshot(folder).items() if not name.endswith(stamp.STAMP)}


def test_validate(dstoolkit: Command, tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    assert dstoolkit("data", "validate", data).output.endswith(f"{data}: 12 utterances, no fault\n")
    (data / "utt2spk").write_text((data / "utt2spk").read_text().replace("s2-u3 s2", "s2-u3 s2 x"))
    (tmp_path / "audio" / "s0-u0.wav").unlink()
    output = dstoolkit("data", "validate", data, status=2).output
    assert f"{data}/utt2spk:12: 3 fields in 's2-u3 s2 x'; expected '<utterance> <speaker>'\n" in output
    assert f"{data}/wav.scp:1: {tmp_path}/audio/s0-u0.wav: no such file or directory" in output
    assert f"{data}: 12 utterances, 2 faults, 0 warnings" in output
    assert f"dstoolkit: '{data}': not valid" in output
    assert "no such file" not in dstoolkit("data", "validate", "--no-audio", data, status=2).output
    assert "2 faults" not in dstoolkit("data", "validate", data, "--no-audio", "--rate", 8000, status=2).output


def test_validate_shows_the_first_hundred(dstoolkit: Command, tmp_path: Path) -> None:
    data = speech.whole(tmp_path, speakers=1, each=2)
    (data / "text").write_text("".join(f"t{at:03d} x\n" for at in range(150)) + (data / "text").read_text())
    assert "and 51 more; --all shows them" in dstoolkit("data", "validate", "--no-audio", data, status=2).output
    assert "'t149'" in dstoolkit("data", "validate", "--no-audio", "--all", data, status=2).output


def test_validate_reports_all_directories(dstoolkit: Command, tmp_path: Path) -> None:
    good = speech.whole(tmp_path)
    output = dstoolkit("data", "validate", tmp_path / "none", good, tmp_path / "gone", status=2).output
    assert f"{tmp_path}/none: no such folder" in output
    assert f"{good}: 12 utterances, no fault" in output
    assert f"'{tmp_path}/none', '{tmp_path}/gone': not valid" in output


def test_fix(dstoolkit: Command, tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    (data / "text").write_bytes((data / "text").read_bytes().replace(b"\n", b"\r\n"))
    output = dstoolkit("data", "fix", data).output
    assert output == f"{data}/text: removed carriage returns from 12 lines\n{data}: mended\n"
    assert dstoolkit("data", "fix", data).output == f"{data}: nothing to mend\n"
    with (data / "utt2spk").open("a") as file:
        file.write("s2-u3 s2 x\n")
    assert "utt2spk:13: 3 fields" in dstoolkit("data", "fix", data, status=2).output


def test_import_is_whole_or_absent(dstoolkit: Command, tmp_path: Path) -> None:
    speech.noise(tmp_path / "a.wav")
    manifest, out = tmp_path / "all.csv", tmp_path / "data" / "all"
    manifest.write_text("audio,text\na.wav,hello\nnone.wav,there\n")
    assert f"{manifest}:3: {tmp_path}/none.wav: no such file" in dstoolkit(
        "data", "import", manifest, "--out", out, status=2
    ).output.replace("\n", " ")
    assert not out.exists()
    speech.noise(tmp_path / "none.wav", 1.3)
    assert (
        dstoolkit("data", "import", manifest, "--out", out).stdout == f"{out}: 2 utterances, 2 speakers, 0.00 hours\n"
    )
    assert DataDir.read(out).texts == {"a": "hello", "none": "there"}
    assert DataDir.read(out).durations == {"a": 0.5, "none": 1.3}
    assert dstoolkit("data", "import", manifest, "--out", out).stdout == f"{out}: done already\n"
    manifest.write_text("audio,text\na.wav,other\n")
    assert "has changed" in dstoolkit("data", "import", manifest, "--out", out, status=2).output
    assert DataDir.read(out).texts["a"] == "hello"
    dstoolkit("data", "import", manifest, "--out", out, "--force")
    assert DataDir.read(out).texts == {"a": "other"}
    assert sorted(each.name for each in out.parent.iterdir()) == ["all"]  # nothing partial is left


def test_import_with_named_columns(dstoolkit: Command, tmp_path: Path) -> None:
    speech.noise(tmp_path / "clips" / "a.wav", 2.0)
    manifest = tmp_path / "m.csv"
    manifest.write_text("path;said;who;key;from;to\na.wav;hello there;ann;u1;0.5;1.25\n")
    names = ["--audio", "path", "--text", "said", "--speaker", "who", "--id", "key", "--start", "from", "--end", "to"]
    more = ["--audio-folder", tmp_path / "clips", "--delimiter", ";"]
    dstoolkit("data", "import", manifest, "--out", tmp_path / "out", *names, *more)
    (found,) = DataDir.read(tmp_path / "out").utterances
    assert (found.id, found.speaker, found.text, found.start, found.end) == ("u1", "ann", "hello there", 0.5, 1.25)
    assert "one character" in dstoolkit("data", "import", manifest, "--out", "x", "--delimiter", "ab", status=2).output


def test_import_of_a_kaldi_directory_takes_its_other_files_along(dstoolkit: Command, tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    (data / "spk2gender").write_text("s0 f\ns1 m\ns2 f\n")
    dstoolkit("data", "import", data, "--out", tmp_path / "copy")
    assert snapshot_but_stamps(tmp_path / "copy") == speech.snapshot(data)


def test_no_text(dstoolkit: Command, tmp_path: Path) -> None:
    speech.noise(tmp_path / "a.wav")
    (tmp_path / "m.csv").write_text("audio\na.wav\n")
    dstoolkit("data", "import", tmp_path / "m.csv", "--out", tmp_path / "out", "--no-text")
    assert not (tmp_path / "out" / "text").exists()


def test_subset(dstoolkit: Command, tmp_path: Path) -> None:
    data, out = speech.whole(tmp_path), tmp_path / "subset"
    (data / "spk2gender").write_text("s0 f\ns1 m\ns2 f\n")
    assert dstoolkit("data", "subset", data, out, "--speakers", "s0, s2", "--num", 5).stdout.startswith(
        f"{out}: 5 utterances, 2 speakers"
    )
    assert not validate.examine(out).faults
    assert (out / "spk2gender").read_text() == "s0 f\ns2 f\n"
    assert set(DataDir.read(out).durations) == {each.id for each in DataDir.read(out).utterances}
    assert "num was 5, now 4" in dstoolkit("data", "subset", data, out, "--num", 4, status=2).output
    assert "expected at least one of --num" in dstoolkit("data", "subset", data, out, status=2).output
    again = dstoolkit("data", "subset", data, data, "--num", 4, "--force", status=2).output
    assert "is or holds the input" in again
    assert len(DataDir.read(data).utterances) == 12


def test_subset_by_ids_sees_a_changed_list(dstoolkit: Command, tmp_path: Path) -> None:
    data, listed = speech.whole(tmp_path), tmp_path / "ids"
    listed.write_text("s0-u1\n")
    dstoolkit("data", "subset", data, tmp_path / "out", "--ids", listed)
    assert list(DataDir.read(tmp_path / "out").speakers) == ["s0-u1"]
    listed.write_text("s0-u2\n")
    assert "has changed" in dstoolkit("data", "subset", data, tmp_path / "out", "--ids", listed, status=2).output


def test_split_and_combine_restore_the_whole(dstoolkit: Command, tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    parts = ["--part", "test=1", "--part", "dev=34%", "--part", "train=rest", "--by", "speaker"]
    output = dstoolkit("data", "split", data, "--out", tmp_path, *parts).stdout
    assert output.endswith(f"{data}: every utterance is in a part\n")
    names = [tmp_path / name for name in ("test", "dev", "train")]
    assert [len(set(DataDir.read(name).speakers.values())) for name in names] == [1, 1, 1]
    dstoolkit("data", "combine", tmp_path / "all", *names)
    assert snapshot_but_stamps(tmp_path / "all") == speech.snapshot(data)
    again = dstoolkit("data", "split", data, "--out", tmp_path, *parts).stdout
    assert again == "".join(f"{name}: done already\n" for name in names)


def test_split_says_what_is_left_out(dstoolkit: Command, tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    output = dstoolkit(
        "data", "split", data, "--out", tmp_path / "parts", "--part", "few=0.25", "--by", "utterance"
    ).stdout
    assert f"{data}: 9 of 12 utterances in no part" in output
    for bad in (["few"], ["few=1", "few=2"]):
        arguments = [word for part in bad for word in ("--part", part)]
        assert "expected NAME=SHARE" in dstoolkit("data", "split", data, "--out", tmp_path, *arguments, status=2).output
    assert "share 'x'" in dstoolkit("data", "split", data, "--out", tmp_path, "--part", "a=x", status=2).output
    assert not (tmp_path / "a").exists()


def test_combine_refuses_clashes(dstoolkit: Command, tmp_path: Path) -> None:
    one, two = speech.whole(tmp_path / "one"), speech.whole(tmp_path / "two")
    output = dstoolkit("data", "combine", tmp_path / "both", one, two, status=2).output
    assert f"{two}: utterance 's0-u0' is in '{one}' too; expected unique ids; pass --prefix" in output
    assert not (tmp_path / "both").exists()
    (one / "spk2gender").write_text("s0 f\n")
    dstoolkit("data", "combine", "--prefix", tmp_path / "both", one, two)
    assert not validate.examine(tmp_path / "both").faults
    assert (tmp_path / "both" / "spk2gender").read_text() == "one-data-s0 f\n"
    assert DataDir.read(tmp_path / "both").durations["two-data-s0-u1"] == 0.6


def test_info(dstoolkit: Command, tmp_path: Path) -> None:
    data = speech.whole(tmp_path)
    found = json.loads(dstoolkit("data", "info", "--json", data).stdout)
    # 0.5 + 0.6 + ... + 1.6 s; texts: yes | no | maybe so | well then | yes no yes, twice over, and yes | no
    assert found["hours"] == pytest.approx(12.6 / 3600, abs=1e-4)
    assert found["seconds"] == {"0": 0.5, "5": 0.555, "25": 0.775, "50": 1.05, "75": 1.325, "95": 1.545, "100": 1.6}
    assert (found["utterances"], found["speakers"], found["recordings"], found["transcribed"]) == (12, 3, 12, 12)
    assert (found["words"], found["vocabulary"]) == (20, 6)
    assert (found["rates"], found["channels"]) == ({"8000": 12}, {"1": 12})
    assert sum(found["characters"].values()) == sum(map(len, DataDir.read(data).texts.values()))
    shown = dstoolkit("data", "info", data).stdout
    assert f"{data}: 12 utterances by 3 speakers\n" in shown
    assert "8000 Hz, 1 channel" in shown
    assert "20 words, 6 different" in shown


def test_info_of_what_has_no_text_or_audio(dstoolkit: Command, tmp_path: Path) -> None:
    data = speech.whole(tmp_path, speakers=1, each=1)
    (data / "text").unlink()
    assert "no transcripts" in dstoolkit("data", "info", data).stdout
    (tmp_path / "audio" / "s0-u0.wav").unlink()
    assert "no such file" in dstoolkit("data", "info", data, status=2).output
    features = tmp_path / "features"
    features.mkdir()
    (features / "x.npy").write_bytes(b"x")
    datadir.write(features, [datadir.Utterance("x", str(features / "x.npy"), "s", "hello")], "feats.scp")
    assert "1 utterance by 1 speaker\n" in dstoolkit("data", "info", features).stdout


@pytest.mark.parametrize("command", ["import", "validate", "fix", "subset", "split", "combine", "info"])
def test_help_teaches_by_an_example(dstoolkit: Command, command: str) -> None:
    assert f"dstoolkit data {command} " in dstoolkit("data", command, "--help").output


def test_interrupted_import_leaves_nothing(dstoolkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    data = speech.whole(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(stamp, "write", interrupt)
        dstoolkit("data", "import", data, "--out", tmp_path / "out", status=130)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".*"))
    dstoolkit("data", "import", data, "--out", tmp_path / "out")


def test_no_space_left(dstoolkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    data = speech.whole(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(stamp, "write_bytes", full)
        output = dstoolkit("data", "import", data, "--out", tmp_path / "out", status=2).output
    assert "no space left on device" in output
    assert not list(tmp_path.glob("*out*"))
    assert not list(tmp_path.glob(".*"))
