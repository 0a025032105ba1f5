"""The beam search: brute force over all paths is the oracle of its scores, the readable twin that of its pruning."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.decoding import reference
from dstoolkit.decoding.beam import Beam, BeamConfig
from dstoolkit.decoding.ngram import Ngram
from dstoolkit.decoding.vocabulary import read_lexicon
from dstoolkit.errors import ConfigError, DataError, Faults
from dstoolkit.testing import Subject, parametrize_with_checks

UNLIMITED = 20_000
ARPA = r"""\data\
ngram 1=6
ngram 2=5

\1-grams:
-1.2	<unk>	0
-99	<s>	-0.3
-0.7	</s>	0
-0.5	a	-0.2
-0.9	ab	-0.4
-1.4	ba	0

\2-grams:
-0.3	<s> a
-0.2	a ab
-0.8	ab a
-0.4	ab </s>
-0.1	ba </s>

\end\
"""


class Letters:
    """A tokenizer of characters; spaces part words."""

    tokens = ("<blank>", " ", "a", "b")

    def decode(self, ids):
        return "".join(self.tokens[each] for each in ids if each).replace("\u2581", " ").removeprefix(self.prefix)

    prefix = ""


class Pieces(Letters):
    """Sentencepiece's kind: words begin at the mark, and texts can be spelled in several ways."""

    tokens = ("<blank>", "\u2581a", "b", "\u2581", "a")
    prefix = " "


def noise(frames: int, vocab: int, seed: int, scale: float = 1.5) -> torch.Tensor:
    values = np.random.default_rng(seed).normal(size=(1, frames, vocab)) * scale
    return torch.from_numpy(values).log_softmax(2)


def decode(tokenizer, log_probs, **options):
    config = BeamConfig(**{"beam": UNLIMITED, "nbest": UNLIMITED, **options})
    return Beam(config, tokenizer).decode(log_probs, torch.tensor([log_probs.shape[1]]), 0.04)[0]


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize("tokenizer", [Letters(), Pieces()])
@pytest.mark.parametrize("seed", range(4))
def test_an_unlimited_beam_is_brute_force(tokenizer, seed):
    log_probs = noise(6, len(tokenizer.tokens), seed)
    exact = reference.all_texts(log_probs[0].tolist())
    found = decode(tokenizer, log_probs)
    assert found[0].score == pytest.approx(max(exact.values()), abs=1e-9)
    assert all(each.score == pytest.approx(exact[each.tokens], abs=1e-9) for each in found)
    best_spelling: dict[tuple[str, ...], float] = {}
    for tokens, score in exact.items():
        words = tuple(tokenizer.decode(tokens).split())
        best_spelling[words] = max(score, best_spelling.get(words, -math.inf))
    assert {tuple(each.text.split()) for each in found} == best_spelling.keys()
    assert [each.score for each in found] == pytest.approx(sorted(best_spelling.values(), reverse=True), abs=1e-9)


class Alphabet(Letters):
    tokens = ("<blank>", *"cdefgh")


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(0, 30), st.sampled_from([0.3, 1.0, 4.0]))
@settings(deadline=None, max_examples=40)
def test_a_narrow_beam_is_the_twins(seed, beam, frames, scale):
    log_probs = noise(frames, 7, seed, scale)
    exact = reference.beam_search(log_probs[0].tolist(), beam)
    found = decode(Alphabet(), log_probs, beam=beam, nbest=beam)
    assert [(each.tokens, each.score) for each in found] == [
        (tokens, pytest.approx(score, abs=1e-9)) for tokens, score in sorted(exact, key=lambda each: -each[1])
    ]


def bonus_of(text: str, model: Ngram | None, config: BeamConfig) -> float | None:
    """The bonus of a whole text, from its words; None where it is not allowed."""
    words, bonus = text.split(), 0.0
    if config.lexicon and not set(words) <= set(Path(config.lexicon).read_text().split()):
        return None
    if model:
        score = model.score(words, eos=config.sentence_end)
        bonus += config.alpha * score.total + config.beta * len(words)
        bonus += config.unknown_score * sum(word not in model.ids for word in words)
    padded = f" {' '.join(words)} "
    for phrase, weight in config.hotwords.items():
        bonus += weight * sum(padded.startswith(f" {phrase} ", at) for at in range(len(padded)))
    return bonus


def one_space(tokens: tuple[int, ...], tokenizer) -> tuple[int, ...] | None:
    """The tokens with one space between words and none around them, where that is the same text to a search that knows
    of words; None for what it does not write, a space before a piece that begins with one."""
    names = [tokenizer.tokens[each] for each in tokens]
    bare = [name in (" ", "\u2581") for name in names]
    if any(
        one and name[0] == "\u2581" and not other for one, other, name in zip(bare, bare[1:], names[1:], strict=False)
    ):
        return None
    kept = [each for at, each in enumerate(tokens) if not (bare[at] and at and bare[at - 1])]
    first = 1 if names[:1] == [" "] else 0
    last = len(kept) - (1 if kept and tokenizer.tokens[kept[-1]] in (" ", "\u2581") else 0)
    return tuple(kept[first:last])


def with_any_spaces(log_probs, tokenizer) -> dict[tuple[int, ...], float]:
    """The log-probability of each text, however many spaces part its words."""
    found: dict[tuple[int, ...], float] = {}
    for tokens, acoustic in reference.all_texts(log_probs).items():
        text = one_space(tokens, tokenizer)
        if text is not None:
            found[text] = reference.log_add(found.get(text, -math.inf), acoustic)
    return found


RULES = {
    "words": {"lm": "lm", "alpha": 0.7, "beta": 0.4},
    "no end, a malus for words, a bonus for unknown ones": {
        "lm": "lm", "alpha": 1.3, "beta": -0.6, "unknown_score": 0.5, "sentence_end": False,
    },
    "a lexicon": {"lexicon": "words"},
    "a lexicon with words the model does not know": {"lexicon": "words", "lm": "lm", "unknown_score": -1.5},
    "hotwords": {"hotwords": {"ab": 2.0, "a ab": 1.5, "ba": -3.0}},
    "all": {"lexicon": "words", "lm": "lm", "hotwords": {"a": 0.7, "ab a": 1.0}, "beta": 1.0},
}  # fmt: skip


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("tokenizer", [Letters(), Pieces()])
def test_the_bonus_of_whole_texts(tokenizer, rules, files):
    options = {key: files.get(value, value) if isinstance(value, str) else value for key, value in rules.items()}
    config = BeamConfig(**options)
    model = Ngram.load(config.lm) if config.lm else None
    for seed in range(3):
        log_probs = noise(6, len(tokenizer.tokens), seed)
        exact: dict[tuple[str, ...], float] = {}
        for tokens, acoustic in with_any_spaces(log_probs[0].tolist(), tokenizer).items():
            text = tokenizer.decode(tokens)
            bonus = bonus_of(text, model, config)
            if bonus is not None:
                words = tuple(text.split())
                exact[words] = max(acoustic + bonus, exact.get(words, -math.inf))
        found = decode(tokenizer, log_probs, **options)
        assert {tuple(each.text.split()): each.score for each in found} == pytest.approx(exact, abs=1e-5)
        scores = [each.score for each in found]
        assert scores == sorted(scores, reverse=True)


def test_a_model_of_tokens_scores_every_token(tmp_path):
    arpa = ARPA.replace("ab", "b").replace("ba", "<space>")
    path = written(tmp_path, "tokens.arpa", arpa)
    model = Ngram.load(path)
    log_probs = noise(6, 4, 5)
    found = decode(Letters(), log_probs, lm=path, lm_unit="token", alpha=0.8, beta=0.3)
    exact = reference.all_texts(log_probs[0].tolist())
    for each in found:
        names = ["<space>" if name == " " else name for name in each.text]
        lm = model.score(names).total
        assert each.lm == pytest.approx(lm, abs=1e-5)
        assert each.acoustic == pytest.approx(exact[each.tokens], abs=1e-9)
        assert each.score == pytest.approx(each.acoustic + 0.8 * lm + 0.3 * len(names), abs=1e-5)
    assert len(found) > 100


def test_acoustic_and_model_scores_are_told_apart(tmp_path):
    path = written(tmp_path, "lm", ARPA)
    log_probs = noise(5, 4, 9)
    exact = with_any_spaces(log_probs[0].tolist(), Letters())
    for each in decode(Letters(), log_probs, lm=path, alpha=0.7):
        assert each.acoustic == pytest.approx(exact[each.tokens], abs=1e-9)
        assert each.lm == pytest.approx(Ngram.load(path).score(each.text.split()).total, abs=1e-5)


def test_long_utterances_take_little_memory_and_lose_nothing():
    """The tree is thinned out many times over; the twin keeps whole prefixes."""
    log_probs = noise(700, 7, 3)
    exact = max(reference.beam_search(log_probs[0].tolist(), 20), key=lambda each: each[1])
    (found,) = decode(Alphabet(), log_probs, beam=20, nbest=1)
    assert (found.tokens, found.score) == (exact[0], pytest.approx(exact[1], abs=1e-8))


def test_pruned_tokens_are_the_unlikely_ones():
    log_probs = torch.tensor([[[0.1, 0.2, 0.4, 0.3], [0.85, 0.01, 0.05, 0.09]]]).log()
    texts = {each.text for each in decode(Letters(), log_probs, top_tokens=1)}
    assert texts == {"", "a", "b", "ab"}  # a from the first frame, b from the second
    texts = {each.text for each in decode(Letters(), log_probs, token_threshold=0.25)}
    assert texts == {"", "a", "b"}  # both from the first
    assert {each.text.strip() for each in decode(Letters(), log_probs)} == {"", "a", "b", "ab", "ba"}


def test_a_narrow_margin_keeps_the_best_alone():
    log_probs = noise(12, 4, 1, scale=4.0)
    (best,) = decode(Letters(), log_probs, beam_threshold=1e-6)
    assert best.score <= decode(Letters(), log_probs, beam=100, nbest=1)[0].score


def test_unfinished_words_are_cut_where_no_whole_text_fits(tmp_path):
    """The frames say 'abab', the lexicon has 'ab' and 'ababab': one beam of one prefix ends in the middle of a word."""
    probs = torch.full((1, 4, 4), 0.001)
    for t, token in enumerate((2, 3, 1, 2)):
        probs[0, t, token] = 0.997
    lexicon = written(tmp_path, "words", "ab\nabab\n")
    (found,) = decode(Letters(), probs.log(), lexicon=lexicon, beam=1, nbest=1)
    assert found.text == "ab "
    assert found.score == pytest.approx(reference.all_texts(probs[0].log().tolist())[found.tokens], abs=1e-5)


def test_impossible_frames_and_no_frames():
    log_probs = torch.full((1, 3, 4), -math.inf)
    log_probs[0, :, 2] = 0.0
    assert [(each.text, each.score) for each in decode(Letters(), log_probs)] == [("a", 0.0)]
    (none,) = Beam(BeamConfig(), Letters()).decode(log_probs, torch.tensor([0]), 1.0)[0]
    assert (none.text, none.score) == ("", 0.0)
    with pytest.raises(ValueError, match="utterance 0: log-probabilities that are no numbers"):
        decode(Letters(), torch.full((1, 3, 4), math.nan))
    with pytest.raises(ValueError, match="5 log-probabilities a frame for 4 tokens"):
        decode(Letters(), torch.zeros(1, 3, 5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "beam: 0; expected at least 1"),
        ({"beam": 5, "nbest": 6}, "nbest: 6; expected at most the beam, 5"),
        ({"alpha": -0.1}, "alpha: -0.1; expected at least 0"),
        ({"token_threshold": 1.0}, "token_threshold: 1.0; expected a probability below 1"),
        ({"beta": math.inf}, "beta: inf; expected a finite number"),
        ({"hotwords": {"a": "high"}}, "hotwords: 'a': 'high'; expected its weight, a number"),
        ({"hotwords": {" ": 1.0}}, "hotwords: ' '; expected words"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        BeamConfig(**options)


def test_a_lexicon_may_be_of_other_systems(tmp_path):
    (tmp_path / "words").write_bytes(b"\xef\xbb\xbfab a b\r\n\r\nba\r\n")
    assert read_lexicon(tmp_path / "words") == ["ab", "ba"]


def test_files_that_do_not_fit_the_tokenizer(tmp_path):
    lm = written(tmp_path, "lm", ARPA)
    other = written(tmp_path, "other", ARPA.replace("ab", "AB").replace("ba", "BA"))
    spaced = written(tmp_path, "spaced", re.sub(r"\bba\b", "<space>", ARPA))
    lexicon = written(tmp_path, "words", "ab\ncab\nabc\n")
    cases = [
        ({"lm": str(tmp_path / "none")}, "decoder.lm: no file"),
        ({"lm": other}, "decoder.lm: .* 2 of its 3 words have characters that no token has: 'AB', 'BA'"),
        ({"lm": lm, "lm_unit": "token"}, "decoder.lm: .* is no model of this tokenizer's tokens: it has 'ab', 'ba'"),
        ({"lm": spaced}, "decoder.lm: .* is a model of tokens: it has '<space>'; expected one of words"),
        ({"lm": spaced, "lexicon": other}, "decoder.lm: .* is a model of tokens"),
        ({"hotwords": {"abc": 1.0}}, "decoder.hotwords: 'abc' has characters that no token has; expected 'ab'"),
    ]
    for options, message in cases:
        with pytest.raises(ConfigError, match=message):
            Beam(BeamConfig(**options), Letters())
    with pytest.raises(Faults, match=r"word 'cab' has characters that no token has(.|\n)*word 'abc'"):
        Beam(BeamConfig(lexicon=lexicon), Letters())
    (tmp_path / "latin").write_bytes(b"ab\nb\xe9\n")
    with pytest.raises(DataError, match="latin:2: not UTF-8 text"):
        Beam(BeamConfig(lexicon=str(tmp_path / "latin")), Letters())
    with pytest.raises(DataError, match="no words"):
        Beam(BeamConfig(lexicon=written(tmp_path, "empty", "\n")), Letters())


def test_files_are_named_for_stamps():
    assert Beam.inputs(BeamConfig()) == {}
    assert Beam.inputs(BeamConfig(lm="a", lexicon="b")) == {"lm": Path("a"), "lexicon": Path("b")}


@given(st.integers(0, 10_000), st.integers(1, 30), st.sampled_from(sorted(RULES)), st.booleans())
@settings(deadline=None, max_examples=60)
def test_bounds_leave_out_nothing_that_matters(files, seed, beam, rules, pieces):
    """Without the bounds of what tokens may add, everything is looked at: the same comes of it."""
    options = {key: files.get(value, value) if isinstance(value, str) else value for key, value in RULES[rules].items()}
    tokenizer = Pieces() if pieces else Letters()
    decoder = Beam(BeamConfig(beam=beam, nbest=beam, **options), tokenizer)
    log_probs, lengths = noise(25, len(tokenizer.tokens), seed), torch.tensor([25])
    found = decoder.decode(log_probs, lengths, 1.0)
    plain = decoder.rules
    decoder.rules = plain._replace(most=plain.most + 1e6, most_at_end=1e6, by_letter=False)
    assert decoder.decode(log_probs, lengths, 1.0) == found


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("rules")
    return {"lm": written(folder, "lm", ARPA), "words": written(folder, "words", "a\nab\nbb\n")}


@parametrize_with_checks([Subject(Beam, BeamConfig(beam=20, nbest=5, hotwords={"cab": 2.0, "a bad": 1.0}))])
def test_the_contract_with_hotwords_and_several_texts(check):
    check()
