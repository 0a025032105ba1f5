"""``supply``: sections that follow the training's, vocabularies, and what is made anew when."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from dstoolkit_kur import supplier
from dstoolkit_kur.kurfile import Kurfile

from dstoolkit.data import validate
from dstoolkit.data.datadir import DataDir
from dstoolkit.errors import ConfigError, DataError, Faults, StampError
from dstoolkit.features.whitening import Spread
from dstoolkit.pipeline import experiment, extraction
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.training import setup

OPTIONS = {"path": "train", "data_cpus": 1, "max_frequency": 1000}


@pytest.fixture
def supply(section, tmp_path):
    def run(name="train", like=None, force=False, **options):
        node = section(name, **{**OPTIONS, **options})
        return supplier.supply(node, name, tmp_path / "data" / "k", like=like, force=force)

    return run


def characters(data):
    return "".join(Vocabulary.load(data.tokenizer).tokenizer.tokens[1:])


def test_a_data_directory_without_faults(make, supply):
    folder = make()
    data = supply()
    report = validate.check(data.folder)
    assert report.warnings == []
    assert DataDir.read(data.folder).texts["u1"] == "Dead egg"
    assert DataDir.read(data.folder).utterances[1].path == str(folder / "audio" / "u1.wav")
    assert (data.bucket, data.dropped) == (0.0, 0)


def test_the_sections_are_an_experiments_and_agree_with_the_folders(make, supply):
    make()
    data = supply()
    made = experiment.from_plain(data.sections, "k.yml")
    setup.check_vocabulary(made, Vocabulary.load(data.tokenizer), data.tokenizer)
    assert Vocabulary.load(data.tokenizer).encode("A bad ñ cab") == [2, 1, 3, 2, 5, 1, 4, 2, 3]


def test_bucket_is_handed_on(make, supply):
    make()
    assert supply(bucket=2).bucket == 2.0


def test_dropped_counts_what_durations_and_samples_leave_out(make, supply):
    make()
    data = supply(min_duration=0.5, max_duration=1.2, samples="50%")
    assert data.dropped == 4  # of 6, two are longer; of the other four, two
    assert len(DataDir.read(data.folder).utterances) == 2


def test_the_key_of_the_transcripts(make, supply):
    make(texts=("bad", "cab"), key="spoken")
    assert DataDir.read(supply(key="spoken").folder).texts == {"u0": "bad", "u1": "cab"}


def test_fill_is_told_to_have_no_effect_where_it_is_not_zeros(make, supply, capsys):
    make(texts=("bad", "cab"))
    zeros = supply(fill="zero")
    assert capsys.readouterr().err == ""
    assert supply(fill="loop") == zeros
    told = "k.yml:7: train.data[0].speech_recognition.fill: no effect: padding is hidden from the network\n"
    assert capsys.readouterr().err.endswith(told)


def test_data_cpus_are_the_processes(make, supply, monkeypatch):
    make(texts=("bad", "cab"))
    seen = []
    extract = extraction.extract
    monkeypatch.setattr(extraction, "extract", lambda *given: seen.append(given[2].jobs) or extract(*given))
    supply(data_cpus=2)
    supply(data_cpus=None)
    assert seen == [2, max((os.cpu_count() or 1) - 1, 1)]


def test_vocabulary_derived(make, supply):
    make(texts=("Gag", "it's a bee", "zzz"))
    assert characters(supply(max_duration=2, samples=3)) == " 'abegistz"
    assert characters(supply(min_duration=0.57)) == " 'abeist"  # the others are left out


def test_vocabulary_listed_keeps_its_order(make, supply):
    make()
    assert characters(supply(vocab=["F", "e", " ", "d"])) == "fe d"


def test_vocabulary_of_a_file(make, supply, tmp_path):
    make()
    (tmp_path / "vocab.json").write_text(json.dumps(["b", "A", " "]))
    assert characters(supply(vocab="vocab.json")) == "ba "


@pytest.mark.parametrize(
    ("vocab", "told"),
    [
        (["a", "A"], "vocab[1]: 'A' twice; expected each once, capitals apart"),
        (["a", "th"], "vocab[1]: 'th'; expected a single character"),
        (["a", "\t"], "vocab[1]: '\\t'; expected a single character"),
        ([], "vocab: no characters"),
        ("none.json", "vocab: '{}/none.json': no such file or directory"),
        ("map.json", "vocab: '{}/map.json' holds no list"),
        ("bad.json", "vocab: '{}/bad.json' is not JSON"),
    ],
)
def test_no_vocabulary(make, supply, tmp_path, vocab, told):
    make()
    (tmp_path / "map.json").write_text("{}")
    (tmp_path / "bad.json").write_text("[")
    with pytest.raises(ConfigError) as error:
        supply(vocab=vocab)
    assert str(error.value).startswith(f"{tmp_path}/k.yml:7: train.data[0].speech_recognition.{told.format(tmp_path)}")


def test_other_sections_take_the_trainings(make, supply, tmp_path):
    make()
    make("dev", texts=("A hat", "bee"))
    train = supply(type="mfcc", normalization={"rotate": False})
    dev = supply("validate", train, path="dev", max_frequency=None)
    assert dev.folder == tmp_path / "data" / "k" / "validate"
    assert (dev.tokenizer, dev.sections) == (train.tokenizer, train.sections)
    assert [each.name for each in sorted(dev.folder.parent.iterdir()) if "norm" in each.name] == [
        "normalization.json",
        "normalization.json.stamp.json",
    ]
    same = supply("validate", train, path="dev", type="mfcc", max_frequency=1000, normalization={"rotate": False})
    assert same == dev


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"vocab": ["a"]}, "vocab: 'a'; the training's is ' abcdefg'; say the same"),
        ({"type": "mfcc"}, "type: features {'name': 'mfcc'"),
        ({"max_frequency": 2000}, "max_frequency: features {'name': 'spectrogram'"),
        ({"normalization": {"center": False}}, "normalization: center False; the training's is True"),
        ({"normalization": "other.json"}, "normalization: statistics "),
    ],
)
def test_other_sections_say_nothing_else(make, supply, options, told):
    make()
    train = supply()
    with pytest.raises(ConfigError, match=r"k\.yml:\d: validate\.data\[0\]\.speech_recognition\.") as error:
        supply("validate", train, **options)
    assert f"speech_recognition.{told}" in str(error.value)
    assert not train.folder.with_name("validate").exists()


def test_a_section_by_itself_leaves_the_trainings_alone(make, supply):
    make()
    make("dev", texts=("a hat", "bee"))
    train = supply()
    test = supply("test", path="dev")
    assert (characters(train), characters(test)) == (" abcdefg", " abeht")


def stamps(folder):
    return {each: each.stat().st_mtime_ns for each in sorted(folder.rglob("*")) if each.is_file()}


def test_made_once(make, supply, tmp_path):
    make()
    first, before = supply(), stamps(tmp_path / "data")
    assert supply() == first
    assert stamps(tmp_path / "data") == before


def test_made_anew_where_the_data_changed(make, supply):
    folder = make()
    supply()
    lines = (folder / "data.jsonl").read_text().splitlines(keepends=True)
    (folder / "data.jsonl").write_text("".join([lines[0].replace("a bad cab", "a cab"), *lines[1:3]]))
    data = supply()
    assert DataDir.read(data.folder).texts == {"u0": "a cab", "u1": "Dead egg", "u2": "fed"}
    with extraction.Archive(data.folder / "features.h5") as archive:
        assert list(archive.utterance_ids) == ["u0", "u1", "u2"]


def test_made_anew_where_audio_changed(make, supply):
    folder = make()

    def found():
        data = supply()
        with extraction.Archive(data.folder / "features.h5") as archive:
            return archive.lengths.tolist(), Spread.load(Path(data.sections["cmvn"]["statistics"])).frames

    before, _ = found()
    (folder / "audio" / "u2.wav").write_bytes((folder / "audio" / "u0.wav").read_bytes())
    wanted = [*before[:2], before[0], *before[3:]]
    assert found() == (wanted, sum(wanted))


def test_audio_touched_is_extracted_anew_and_the_same(make, supply):
    folder = make()
    data = supply()
    file = data.folder.parent / "normalization.json.stamp.json"
    before = file.read_bytes(), (data.folder / "features.h5").stat().st_mtime_ns
    os.utime(folder / "audio" / "u2.wav")
    assert supply() == data
    assert file.read_bytes() == before[0]
    assert (data.folder / "features.h5").stat().st_mtime_ns > before[1]


def test_made_anew_where_options_changed(make, supply):
    make()
    assert characters(supply()) == " abcdefg"
    data = supply(vocab=["a"], type="mfcc")
    assert characters(data) == "a"
    with extraction.Archive(data.folder / "features.h5") as archive:
        assert archive.dim == 13


def test_what_is_made_is_told_in_more_words(make, supply, tmp_path, caplog):
    folder = make()
    for samples in (3, 3, 2):
        with caplog.at_level("INFO", "dstoolkit.kur"):
            supply(samples=samples)
    found = [each for each in caplog.messages if "utterances of" in each or "k/train'" in each]
    data, text = f"utterances of '{folder}/data.jsonl'", f"'{tmp_path}/data/k/train': "
    assert found[:4] == [f"train: 3 of 6 {data}", f"{text}made", f"train: 3 of 6 {data}", f"{text}there already"]
    assert found[4] == f"train: 2 of 6 {data}"
    assert found[5].startswith(f"{text}made, input 'audio' has changed")


def test_force(make, supply, tmp_path):
    make()
    before = stamps((supply()).folder)
    after = stamps(supply(force=True).folder)
    assert before.keys() == after.keys()
    assert all(after[each] > before[each] for each in before)


def test_what_is_not_ours_is_not_replaced(make, supply, tmp_path):
    make()
    (tmp_path / "data" / "k" / "train").mkdir(parents=True)
    (tmp_path / "data" / "k" / "train" / "thesis.txt").write_text("x")
    with pytest.raises(StampError, match="train: exists and has no stamp"):
        supply()
    assert (tmp_path / "data" / "k" / "train" / "thesis.txt").exists()


def test_faults_of_the_data_come_together_and_nothing_is_made(make, supply, tmp_path):
    folder = make()
    for name in ("u1", "u3"):
        (folder / "audio" / f"{name}.wav").unlink()
    with pytest.raises(Faults) as error:
        supply()
    assert [str(each).split(": ")[0] for each in error.value.faults] == [f"{folder}/data.jsonl:{at}" for at in (2, 4)]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("train: {data: [{mnist: {images: x}}]}", "k.yml:1: train.data[0].mnist: no supplier 'mnist'; expected one of"),
        ("train:\n  data:\n  - speech_recognitoin: {}\n", "k.yml:3: train.data[0].speech_recognitoin: no supplier"),
        ("train: {epochs: 3}", "k.yml:1: train.data: no data; expected a list with 'speech_recognition'"),
        ("train: {data: speech}", "k.yml:1: train.data: 'speech'; expected a list"),
        ("train:\n  data:\n  - csv: {}\n  - csv: {}\n", "k.yml:4: train.data[1]: a second supplier"),
        (
            "train:\n  data:\n  - speech_recognition:\n",
            "k.yml:3: train.data[0].speech_recognition.path: neither 'path'",
        ),
    ],
)
def test_other_suppliers(tmp_path, text, told):
    (tmp_path / "k.yml").write_text(text)
    with pytest.raises(ConfigError) as error:
        supplier.supply(Kurfile.load(tmp_path / "k.yml").section("train"), "train", tmp_path / "data" / "k")
    assert str(error.value).startswith(f"{tmp_path}/{told}")


def test_audio_that_cannot_be_read(make, supply):
    folder = make()
    (folder / "audio" / "u0.wav").write_text("no audio")
    with pytest.raises(DataError, match=r"u0\.wav: not readable as audio"):
        supply()


def test_recordings_of_another_rate_are_named(make, supply):
    folder = make()
    other = make("other", texts=("bad",), rate=16000)
    (other / "audio" / "u0.wav").replace(folder / "audio" / "u0.wav")
    with pytest.raises(
        DataError, match=r"u0\.wav: 16000 Hz; most of '.*' has 8000 Hz; bring all recordings to one rate"
    ):
        supply()


def test_show(make, supply):
    make(texts=("A bad? cab", "cab?!", "dad"))
    data = supply(vocab=[*" abcde"], max_duration=1, max_frequency=500)
    head, totals, rest, *unknown = supplier.show(data, 1)
    # 5 letters, 10 ms steps of windows of 20 ms in 0.2 + 5 * 0.12 s; points 0, 50, ... 450 Hz
    assert head == "u1  0.80 s  (79, 10)  cab"
    assert totals == f"{data.folder}: 2 utterances, 1.4 s, 134 frames of 10 values"
    assert rest == "1 utterances left out, 6 characters and the blank"
    assert [each[: len("dropped from the texts: '?'")] for each in unknown] == [
        "dropped from the texts: '!'",
        "dropped from the texts: '?'",
    ]
    assert len(list(supplier.show(data))) == len([head, totals, rest, *unknown]) + 1
