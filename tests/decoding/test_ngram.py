"""N-gram models as finite-state machines, beside KenLM and beside the definition of backoff."""

from __future__ import annotations

import math
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import kenlm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.compiled import in_order
from dstoolkit.decoding import arpa_writer, hashing
from dstoolkit.decoding.kneser_ney import estimate
from dstoolkit.decoding.ngram import Ngram, step
from dstoolkit.errors import DataError
from tests.decoding import models
from tests.decoding.models import Model

LN10 = math.log(10)
EDGES = [(True, True), (True, False), (False, True), (False, False)]


def loaded(model: Model, folder: Path) -> Ngram:
    return Ngram.load(models.write(model, folder / "lm.arpa"))


def assert_equals_the_definition(found: Ngram, model: Model, rng: random.Random, count: int = 40) -> None:
    words = [each[0] for each in model if len(each) == 1 and each[0] not in models.SPECIAL]
    for sentence in models.sentences(rng, words, count):
        for bos, eos in EDGES:
            score, expected = found.score(sentence, bos, eos), models.score(model, sentence, bos, eos, found.order)
            assert score.probs / LN10 == pytest.approx([prob for prob, _ in expected], abs=2e-6 * (1 + len(sentence)))
            assert score.orders.tolist() == [order for _, order in expected]
            assert score.total == pytest.approx(score.probs.sum())


def assert_equals_kenlm(path: Path, rng: random.Random, whole: bool = True) -> None:
    """``whole``: the file lacks no n-gram. KenLM calls one that it filled in found."""
    ours, theirs = Ngram.load(path), kenlm.Model(str(path))
    known = [each for each in ours.words if each not in models.SPECIAL]
    for sentence in models.sentences(rng, known, 60):
        for bos, eos in EDGES:
            found, text = ours.score(sentence, bos, eos), " ".join(sentence)
            assert found.total / LN10 == pytest.approx(theirs.score(text, bos=bos, eos=eos), abs=1e-4)
            scores = list(theirs.full_scores(text, bos=bos, eos=eos))
            assert found.probs / LN10 == pytest.approx([prob for prob, _, _ in scores], abs=1e-4)
            assert not whole or found.orders.tolist() == [order for _, order, _ in scores]
            assert found.unknown.tolist() == [unknown for _, _, unknown in scores]


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 7])
def test_scores_equal_the_definition_of_backoff(order: int, tmp_path: Path) -> None:
    rng = random.Random(order)
    model = models.random_model(rng, order, size=6, count=30)
    assert_equals_the_definition(loaded(model, tmp_path), model, rng)


@pytest.mark.parametrize("order", [2, 3, 4, 5])  # KenLM has no models of order 1
def test_scores_equal_kenlm(order: int, tmp_path: Path) -> None:
    rng = random.Random(order)
    assert_equals_kenlm(models.write(models.random_model(rng, order, 20, 300), tmp_path / "lm.arpa"), rng)


@pytest.mark.parametrize("prune", [(), (0, 0, 1), (1, 2)])
@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_our_own_estimates_score_as_kenlm_reads_them(order: int, prune: tuple[int, ...], tmp_path: Path) -> None:
    rng = random.Random(order)
    words = [f"w{at}" for at in range(40)]
    text = [rng.choices(words, weights=[1 / (at + 1) for at in range(40)], k=rng.randrange(1, 9)) for _ in range(400)]
    arpa_writer.write(estimate(text, order, prune[:order]).arpa, tmp_path / "lm.arpa")
    assert_equals_kenlm(tmp_path / "lm.arpa", rng)


@pytest.mark.parametrize("order", [3, 4, 5])
def test_suffixes_that_a_pruned_file_lacks_as_kenlm_fills_them_in(order: int, tmp_path: Path) -> None:
    """SRILM drops n-grams that are suffixes of those it keeps. KenLM wants the first words of each, so those stay."""
    rng = random.Random(order)
    model = models.random_model(rng, order, size=8, count=60)
    firsts = {each[:-1] for each in model}
    dropped = [each for each in model if len(each) > 1 and each not in firsts and rng.random() < 0.5]
    ends = {each[at:] for each in model for at in range(1, len(each))}
    assert any(each in ends for each in dropped)
    for each in dropped:
        del model[each]
    assert_equals_kenlm(models.write(model, tmp_path / "lm.arpa"), rng, whole=False)
    assert_equals_the_definition(Ngram.load(tmp_path / "lm.arpa"), model, rng)


@pytest.mark.parametrize("order", [2, 3, 4, 6])
def test_first_words_and_suffixes_that_a_file_lacks(order: int, tmp_path: Path) -> None:
    """Of any n-gram, one or several words short; KenLM refuses such files, the definition does not care."""
    rng = random.Random(order)
    model = models.random_model(rng, order, size=5, count=40)
    for each in [each for each in model if 1 < len(each) < order and rng.random() < 0.6]:
        del model[each]
    found = Ngram.load(models.write(model, tmp_path / "lm.arpa", highest=order))
    words = [f"w{at}" for at in range(5)]
    for sentence in models.sentences(rng, words, 60):
        expected = models.score(model, sentence, order=order)
        tolerance = 2e-6 * (1 + len(sentence))
        assert found.score(sentence).probs / LN10 == pytest.approx([prob for prob, _ in expected], abs=tolerance)


def test_different_histories_share_a_state_where_they_cannot_matter(tmp_path: Path) -> None:
    unigrams = {(each,): (-1.0, -0.5) for each in ("<unk>", "<s>", "</s>", "a", "b", "c")}
    unigrams[("c",)] = (-1.0, 0.0)  # nothing goes on from it, and it changes nothing
    model: Model = {**unigrams, ("a", "b"): (-0.3, 0.0), ("b", "a"): (-0.2, 0.0), ("a", "b", "a"): (-0.1, 0.0)}
    found = loaded(model, tmp_path)

    def after(text: str) -> int:
        state = 0
        for word in text.split():
            _, state = step(found.tables, state, found.ids[word])
        return int(state)

    assert after("c") == after("b c") == after("") == 0
    assert after("b a") == after("c a") == after("a b a") == after("a") != 0
    assert after("a b") != after("c b") == after("b")


def test_step_in_compiled_code_is_step_in_python(tmp_path: Path) -> None:
    found = loaded(models.random_model(random.Random(3), 3, 6, 40), tmp_path)

    @in_order
    def along(tables, words, state):  # type: ignore[no-untyped-def]
        total = 0.0
        for word in words:
            value, state = step(tables, state, word)
            total += value
        return total, state

    words = found.encode(["w1", "w2", "oh", "w0", "w1"])
    total, state = along(found.tables, words, found.start)
    slow, now = 0.0, found.start
    for word in words:
        value, now = step(found.tables, now, word)
        slow += value
    assert (total, state) == (pytest.approx(slow, abs=1e-12), now)


def test_unknown_words_of_a_model_without_unk_as_in_kenlm(tmp_path: Path) -> None:
    model: Model = {("<s>",): (-9.0, -0.1), ("</s>",): (-0.6, 0.0), ("a",): (-0.5, -0.25), ("<s>", "a"): (-0.1, 0.0)}
    assert_equals_kenlm(models.write(model, tmp_path / "lm.arpa"), random.Random(1))
    assert Ngram.load(tmp_path / "lm.arpa").score(["x"], eos=False).total / LN10 == pytest.approx(-100.1)


def test_a_model_without_marks_of_sentences(tmp_path: Path) -> None:
    """KenLM refuses it; sentences then begin with no history and end in an unknown word."""
    model: Model = {("a",): (-0.5, -0.25), ("b",): (-0.7, 0.0), ("a", "b"): (-0.1, 0.0)}
    found = loaded(model, tmp_path)
    assert (found.words, found.start, found.end) == (["<unk>", "a", "b"], 0, 0)
    assert found.score(["a", "b"]).probs / LN10 == pytest.approx([-0.5, -0.1, -100.0])


def test_an_order_of_which_a_file_announces_none(tmp_path: Path) -> None:
    model = models.random_model(random.Random(1), 2, 6, 30)
    path = models.write(model, tmp_path / "lm.arpa", highest=3)
    assert "ngram 3=0\n" in path.read_text()
    assert Ngram.load(path).order == 3
    assert_equals_the_definition(Ngram.load(path), model, random.Random(1))


def test_memory_of_a_model(tmp_path: Path) -> None:
    """20 bytes an n-gram of the highest order, 28 of those below from order 2 up, and 16 a word."""
    model = models.random_model(random.Random(1), 3, size=200, count=4000)
    middle, highest = (sum(len(each) == n for each in model) for n in (2, 3))
    assert loaded(model, tmp_path).nbytes == pytest.approx(203 * 16 + middle * 28 + highest * 20, rel=0.01)


def test_a_model_survives_pickling(tmp_path: Path) -> None:
    found = loaded(models.random_model(random.Random(1), 3, 6, 30), tmp_path)
    again = pickle.loads(pickle.dumps(found))
    assert again.score(["w1", "w2"]).total == found.score(["w1", "w2"]).total


def test_an_ngram_again_is_named_by_its_line(tmp_path: Path) -> None:
    path = models.write(models.random_model(random.Random(1), 2, 3, 5), tmp_path / "lm.arpa")
    lines = path.read_text().splitlines()
    at = lines.index("\\2-grams:")
    lines.insert(at + 4, lines[at + 2])
    path.write_text("\n".join(lines).replace(f"ngram 2={lines[2][8:]}", f"ngram 2={int(lines[2][8:]) + 1}"))
    with pytest.raises(DataError, match=f"lm.arpa:{at + 5}: a 2-gram again"):
        Ngram.load(path)


KEYS = st.integers(0, hashing.LARGEST - 1)


def test_a_search_for_any_hash_begins_and_ends_within_its_table() -> None:
    """Of a hundred tables some have no large hash, and homes after their last entry."""
    rng, after = np.random.default_rng(0), 0
    for count in rng.integers(0, 40, 100).tolist():
        ordered, slots = np.sort(rng.integers(0, 1 << 63, count, dtype=np.uint64) * np.uint64(2)), hashing.homes(count)
        at = hashing.places(ordered, slots)
        last_home, last_slot = max(slots - 1, 0), hashing.length(at, slots) - 1
        assert last_slot >= last_home
        assert not count or last_slot > at[-1]
        after += bool(count) and at[-1] + 1 < last_home
    assert after > 5


@pytest.mark.slow
def test_compiled_code_stays_within_its_arrays(tmp_path: Path) -> None:
    """What reads a little beyond them mostly finds what lets it go on, so tests run again with Numba's checks."""
    checked = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    names = ("test_ngram", "test_kneser_ney", "test_beam")
    files = [str(Path(__file__).with_name(f"{each}.py")) for each in names]
    line = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *files]
    found = subprocess.run(line, env=os.environ | checked, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-3000:]


@settings(deadline=None)
@given(st.sets(st.tuples(KEYS, KEYS), max_size=200), st.lists(st.tuples(KEYS, KEYS), max_size=50))
def test_a_table_finds_what_is_in_it_and_nothing_else(
    keys: set[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    given = sorted(keys)
    mixed = hashing.hashes(*np.array(given, dtype=np.int64).reshape(-1, 2).T)
    assert len(set(mixed.tolist()) | {int(hashing.EMPTY)}) == len(given) + 1
    ranks, slots = np.argsort(mixed), hashing.homes(len(given))
    at = hashing.places(mixed[ranks], slots)
    entries = np.zeros(hashing.length(at, slots), dtype=hashing.ENTRY)
    entries["key"] = hashing.EMPTY
    entries["key"][at], entries["next"][at] = mixed[ranks], ranks
    for state, word in [*given, *others]:
        found = hashing.find(entries, 0, slots, state, word)
        assert (found >= 0) == ((state, word) in keys)
        assert found < 0 or given[entries["next"][found]] == (state, word)
        assert hashing.unmix(np.uint64(hashing.mix(state, word))) == (state, word)
