"""AN4 in both forms: the real cepstra, and made audio in the corpus's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from dstoolkit.corpora.an4 import An4, An4Config
from dstoolkit.data import audio
from dstoolkit.errors import DstoolkitError, FetchError
from dstoolkit.features.precomputed import Precomputed, PrecomputedConfig
from dstoolkit.interfaces import Preparation, Utterance

SAMPLES = (8000 * np.sin(np.arange(1600) / 20)).astype(np.int16)
SPEAKERS = [f"m{number:03}" for number in range(12)]


def make_tree(folder: Path, kind: str = ".wav") -> Path:
    ids = {"train": [], "test": []}
    for speaker in SPEAKERS:
        part, place = ("test", "an4test_clstk") if speaker in SPEAKERS[:2] else ("train", "an4_clstk")
        ids[part] += [f"{place}/{speaker}/an{at}-{speaker}-b" for at in range(10)]
    (folder / "etc").mkdir(parents=True)
    for part, names in ids.items():
        (folder / f"etc/an4_{part}.fileids").write_text("".join(f"{name}\n" for name in names))
        lines = [f"<s> YES ++NOISE++ A <sil> B </s> ({Path(name).name})\n" for name in names]
        (folder / f"etc/an4_{part}.transcription").write_text("".join(reversed(lines)))  # joined by name, not by line
        for name in names:
            write(folder / ("feat" if kind == ".mfc" else "wav") / f"{name}{kind}")
    return folder


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".raw":
        SAMPLES.astype(">i2").tofile(path)
    elif path.suffix == ".sph":
        soundfile.write(path, SAMPLES, 16000, format="NIST", subtype="PCM_16")
    elif path.suffix == ".mfc":
        path.write_bytes(np.int32(26).astype(">i4").tobytes() + np.arange(26, dtype=">f4").tobytes())
    else:
        soundfile.write(path, SAMPLES, 16000, subtype="PCM_16")


def everyone(made: Preparation) -> list[Utterance]:
    return [each for split in made.splits.values() for each in split]


def test_real_cepstra(corpora: Path) -> None:
    made = An4(An4Config()).prepare(corpora / "an4")
    assert made.source == "feats.scp"
    splits = {name: {each.speaker for each in split} for name, split in made.splits.items()}
    assert len(made.splits["train"]) + len(made.splits["dev"]) == 841
    assert 80 <= len(made.splits["dev"]) < 95
    assert len(splits["dev"]) <= 10
    assert not splits["train"] & splits["dev"]
    texts = {each.id: each.text for each in made.splits["test"]}
    assert len(texts) == 107
    assert texts["fash-an255-fash-b"] == "u m n y h six"
    frames = sum(len(Precomputed(PrecomputedConfig()).load(each.path)) for each in made.splits["test"])
    assert f"test: {frames / 100 / 60:.1f} minutes of cepstra" in made.notes


@pytest.mark.parametrize("kind", [".wav", ".sph", ".raw"])
def test_audio(tmp_path: Path, kind: str) -> None:
    corpus = An4(An4Config())
    made = corpus.prepare(corpus.locate(make_tree(tmp_path / "an4", kind), tmp_path / "cache"))
    assert made.source == "wav.scp"
    assert {name: len(split) for name, split in made.splits.items()} == {"train": 20, "dev": 80, "test": 20}
    assert {each.text for each in everyone(made)} == {"yes a b"}
    samples, rate = audio.read(made.splits["test"][0].path)
    assert rate == 16000
    np.testing.assert_array_equal(np.round(samples * 32768), SAMPLES)


def test_both_forms_at_hand(tmp_path: Path) -> None:
    make_tree(tmp_path)
    for path in list((tmp_path / "wav").rglob("*.wav")):
        write(tmp_path / "feat" / path.relative_to(tmp_path / "wav").with_suffix(".mfc"))
    assert An4(An4Config()).prepare(tmp_path).source == "wav.scp"
    assert An4(An4Config(form="mfc")).prepare(tmp_path).source == "feats.scp"


def test_headers_are_added_once(tmp_path: Path) -> None:
    corpus, root = An4(An4Config()), make_tree(tmp_path / "an4", ".raw")
    wav = corpus.locate(root, tmp_path / "cache") / "wav/an4_clstk/m005/an0-m005-b.wav"
    before = wav.stat().st_mtime_ns
    corpus.locate(root, tmp_path / "cache")
    assert wav.stat().st_mtime_ns == before
    assert not list(root.rglob("*.wav")), "the user's folder is left as it was"


def test_fetched(tmp_path: Path, server: Any, make_tar: Any, read_tree: Any) -> None:
    tree = read_tree(make_tree(tmp_path / "made", ".sph"))
    server.files["/an4_sphere.tar.gz"] = make_tar({f"an4/{name}": content for name, content in tree.items()})
    corpus = An4(An4Config(url=server.url))
    assert len(everyone(corpus.prepare(corpus.fetch(tmp_path / "cache")))) == 120


def test_located_as_archive(tmp_path: Path, make_tar: Any, read_tree: Any) -> None:
    tree = read_tree(make_tree(tmp_path / "made", ".raw"))
    archive = make_tar({f"an4/{name}": content for name, content in tree.items()})
    (tmp_path / "an4_raw.bigendian.tar.gz").write_bytes(archive)
    folder = An4(An4Config()).locate(tmp_path, tmp_path / "cache")
    assert len(everyone(An4(An4Config()).prepare(folder))) == 120


def test_cepstra_cannot_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="form mfc cannot be fetched; take form=audio, or pass --corpus DIR"):
        An4(An4Config(form="mfc")).fetch(tmp_path)


def test_utterances_without_words_are_counted(tmp_path: Path) -> None:
    transcripts = make_tree(tmp_path) / "etc/an4_train.transcription"
    lines = transcripts.read_text().splitlines()
    lines[0] = "<s> <sil> </s>" + lines[0][lines[0].index(" (") :]
    transcripts.write_text("\n".join(lines))
    made = An4(An4Config()).prepare(tmp_path)
    assert len(everyone(made)) == 119
    assert "left out: 1 x train utterance without words" in made.notes


def test_faults_come_together(tmp_path: Path) -> None:
    root = make_tree(tmp_path)
    (root / "wav/an4_clstk/m003/an7-m003-b.wav").unlink()
    transcripts = root / "etc/an4_train.transcription"
    lines = transcripts.read_text().splitlines()
    lines[0] = "no name"
    lines[2] = lines[1]
    transcripts.write_text("\n".join(lines))
    with pytest.raises(DstoolkitError) as caught:
        An4(An4Config()).prepare(root)
    said = str(caught.value)
    assert "an4_train.transcription:1: no name in 'no name'; expected 'TEXT (NAME)'" in said
    assert "an4_train.transcription:3: 'an8-m011-b' is there twice" in said
    assert "an4_train.fileids:100: no transcript of 'an9-m011-b'" in said
    assert "1 files of the train part missing, such as 'an4_clstk/m003/an7-m003-b.sph'" in said


def test_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no AN4 here; expected etc/an4_train"):
        An4(An4Config()).locate(tmp_path, tmp_path / "cache")
    with pytest.raises(DstoolkitError, match=r"an4_train.transcription: no such file"):
        An4(An4Config()).prepare(tmp_path)
