"""Plugins broken in one way each: ``MUTANTS[kind][check]`` must fail that check. ``break_`` makes a subclass."""

from __future__ import annotations

import dataclasses

import click
import numpy as np
import torch
from torch import nn

from dstoolkit.ctc.loss import CTCLoss
from dstoolkit.decoding.greedy import Greedy
from dstoolkit.features.substitution import SpecSub
from dstoolkit.interfaces import BLANK, Hypothesis, Outlet, Preparation, Utterance, Word
from dstoolkit.text.characters import Characters
from tests.testing.greeting import Hello
from tests.testing.sound import Convolution, Energy, Folder


def break_(base, **attributes):
    return type(f"Broken{base.__name__}", (base,), {"__doc__": "Broken.", **attributes})


def after_init(base, change):
    """A subclass whose instances ``change`` is applied to."""

    def __init__(self, *arguments):
        base.__init__(self, *arguments)
        change(self)

    return break_(base, __init__=__init__)


def with_output(base, method, change):
    """A subclass whose ``method`` gives ``change(its answer)``."""
    return break_(base, **{method: lambda self, *arguments: change(getattr(base, method)(self, *arguments))})


def no_mask(self, frames, lengths):
    hidden = self.layer(frames.transpose(1, 2)).transpose(1, 2)
    return self.norm(hidden, self.output_lengths(lengths)), self.output_lengths(lengths)


class PlainNorm(nn.Module):
    """Batch norm that counts padding."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(6)

    def forward(self, batch, lengths):
        return self.norm(batch.transpose(1, 2)).transpose(1, 2)


def hide(self):
    """A weight that no state dict knows."""
    weight = torch.randn(6)
    self.norm.register_forward_hook(lambda module, arguments, output: output * weight)


def two_outlets(self):
    """The second one has more values than it says."""
    self.outlets = (Outlet("first", 6), Outlet("second", 5))
    self.every = lambda frames, lengths: tuple([each] * 2 for each in Convolution.forward(self, frames, lengths))
    self.every_lengths = lambda lengths: [self.output_lengths(lengths)] * 2


ENCODERS = {
    "outlets_agree": after_init(Convolution, two_outlets),
    "is_a_module": after_init(Convolution, lambda self: setattr(self, "output_dim", 6.0)),
    "output_lengths_agree": with_output(Convolution, "forward", lambda answer: (answer[0], answer[1] - 1)),
    "output_lengths_are_sound": break_(Convolution, output_lengths=lambda self, lengths: lengths.max() - lengths),
    "padding_invariance": break_(Convolution, forward=no_mask),
    "padding_ignored_in_training": break_(Convolution, forward=no_mask),
    "padding_amount_ignored_in_training": after_init(Convolution, lambda self: setattr(self, "norm", PlainNorm())),
    "batch_order_invariance": with_output(
        Convolution, "forward", lambda answer: (answer[0] + torch.arange(len(answer[0]))[:, None, None], answer[1])
    ),
    "gradients_are_finite": after_init(Convolution, lambda self: setattr(self, "unused", nn.Linear(1, 1))),
    "silence_stays_finite": break_(
        Convolution,
        forward=lambda self, frames, lengths: Convolution.forward(self, frames / frames.std(), lengths),
    ),
    "short_utterances_work": after_init(Convolution, lambda self: setattr(self, "layer", nn.Conv1d(40, 6, 5, 2))),
    "depends_on_its_input": with_output(Convolution, "forward", lambda answer: (0 * answer[0], answer[1])),
    "eval_is_deterministic": with_output(
        Convolution, "forward", lambda answer: (answer[0] + torch.rand(answer[0].shape), answer[1])
    ),
    "state_dict_round_trip": after_init(Convolution, hide),
    "can_be_pickled": after_init(Convolution, lambda self: setattr(self, "activation", lambda values: values)),
}


FEATURES = {
    "num_frames_agrees": with_output(Energy, "extract", lambda frames: frames[1:]),
    "frames_are_well_formed": with_output(Energy, "extract", lambda frames: frames.astype(float)),
    "extremes_stay_finite": with_output(Energy, "extract", lambda frames: np.where(frames[:, 1:], frames, np.inf)),
    "frame_shift_agrees": break_(Energy, frame_shift=0.0125),
    "depends_on_its_input": with_output(Energy, "extract", lambda frames: 0 * frames),
    "is_deterministic": with_output(Energy, "extract", lambda frames: frames + np.random.rand()),
    "loudness_rises": break_(Energy, loudness=lambda self, frames: -frames.mean(axis=1)),
    "warping_fits": break_(Energy, warping=lambda self, factor: np.eye(self.dim, dtype=np.float32)),
    "can_be_pickled": after_init(Energy, lambda self: setattr(self, "window", lambda values: values)),
    "missing_file_is_refused": break_(Energy, source="feats.scp", load=lambda self, location: np.zeros((1, 2))),
}


def in_place(self, values, rng):
    values[: len(values) // 2] = rng.random()
    return values


def noisy(self, values, rng):
    return values + np.random.normal(size=values.shape).astype(np.float32)


def divided(self, values, rng):
    return values / values.std()


AUGMENTATIONS = {
    "says_where_it_stands": break_(SpecSub, stage="spectrum"),
    "output_is_well_formed": with_output(SpecSub, "__call__", lambda values: values[:, 1:]),
    "extremes_stay_finite": break_(SpecSub, __call__=divided),
    "short_utterances_work": with_output(SpecSub, "__call__", lambda values: values[: len(values) - 1]),
    "changes_what_it_hears": break_(SpecSub, __call__=lambda self, values, rng: values.copy()),
    "is_deterministic": break_(SpecSub, __call__=noisy),
    "input_stays_as_it_was": break_(SpecSub, __call__=in_place),
    "can_be_pickled": after_init(SpecSub, lambda self: setattr(self, "function", lambda: 0)),
}


def naive(self, logits, *rest):
    """Without the usual care: the exponentials overflow."""
    return CTCLoss.__call__(self, logits.exp().div(logits.exp().sum(2, keepdim=True)).log(), *rest)


LOSSES = {
    "one_loss_per_utterance": with_output(CTCLoss, "__call__", lambda losses: losses.mean()),
    "equals_the_reference": with_output(CTCLoss, "__call__", lambda losses: 2 * losses),
    "gradient_equals_the_reference": with_output(CTCLoss, "__call__", lambda losses: 2 * losses - losses.detach()),
    "padding_is_ignored": break_(
        CTCLoss, __call__=lambda self, logits, *rest: CTCLoss.__call__(self, logits, *rest) + logits.mean()
    ),
    "infeasible_is_infinite": with_output(CTCLoss, "__call__", lambda losses: losses.nan_to_num(posinf=0.0)),
    "extremes_stay_finite": break_(CTCLoss, __call__=naive),
    "batch_order_invariance": with_output(CTCLoss, "__call__", lambda losses: losses + torch.arange(len(losses))),
}


def each_hypothesis(**changes):
    """A decoder whose hypotheses are altered: ``field=function of the hypothesis``."""

    def change(answer):
        made = []
        for each in answer:
            altered = {field: function(each[0]) for field, function in changes.items()}
            made.append([dataclasses.replace(each[0], **altered)])
        return made

    return with_output(Greedy, "decode", change)


def whole_batch(self, log_probs, lengths, frame_shift):
    return Greedy.decode(self, log_probs, torch.full_like(lengths, log_probs.shape[1]), frame_shift)


def by_place(answer):
    return [[dataclasses.replace(each[0], score=each[0].score + at)] for at, each in enumerate(answer)]


def drifting(self, log_probs, lengths, frame_shift):
    self.calls = getattr(self, "calls", 0) + 1
    answer = Greedy.decode(self, log_probs, lengths, frame_shift)
    return [[dataclasses.replace(each[0], score=each[0].score + self.calls)] for each in answer]


DECODERS = {
    "reads_what_is_written": each_hypothesis(text=lambda each: each.text.replace("bb", "b")),
    "padding_invariance": break_(Greedy, decode=whole_batch),
    "batch_order_invariance": with_output(Greedy, "decode", by_place),
    "is_deterministic": break_(Greedy, decode=drifting),
    "best_comes_first": with_output(
        Greedy, "decode", lambda answer: [[each[0], dataclasses.replace(each[0], score=0.0)] for each in answer]
    ),
    "texts_are_those_of_tokens": each_hypothesis(tokens=lambda each: each.tokens[1:], frames=lambda each: ()),
    "times_and_confidences_are_sound": each_hypothesis(frames=lambda each: each.frames[::-1]),
    "words_are_those_of_the_text": each_hypothesis(words=lambda each: (*each.words, Word("x", 0.0, 0.1, 1.0))),
    "nothing_gives_nothing": with_output(
        Greedy, "decode", lambda answer: [each if each[0].text else [Hypothesis("a", 0.0)] for each in answer]
    ),
}


class Forgetful(Characters):
    """Broken: what it loads has another order."""

    @classmethod
    def load(cls, config, folder):
        return cls(config.characters[::-1])


class Fickle(Characters):
    """Broken: learns another order each time."""

    count = 0

    @classmethod
    def train(cls, config, texts):
        cls.count += 1
        return cls(config.characters[:: (-1) ** cls.count])


def merging(self, ids):
    kept = [token for before, token in zip([None, *ids], ids, strict=False) if token != before]
    return Characters.decode(self, kept)


TOKENIZERS = {
    "round_trip": with_output(Characters, "decode", str.upper),
    "tokens_are_sound": break_(Characters, tokens=("<pad>", *"abcdefghijklmnopqrstuvwxyz '")),
    "blank_is_never_emitted": with_output(Characters, "encode", lambda ids: [BLANK, *ids]),
    "decode_skips_blanks_and_keeps_repeats": break_(Characters, decode=merging),
    "strangers_are_refused": break_(
        Characters, encode=lambda self, text: [self._ids[each] for each in text if each in self._ids]
    ),
    "saves_and_loads": Forgetful,
    "can_be_pickled": after_init(Characters, lambda self: setattr(self, "function", lambda: 0)),
    "training_is_deterministic": Fickle,
}


def prepared(change):
    return break_(Folder, prepare=lambda self, folder: change(Folder.prepare(self, folder)))


def with_test(*utterances):
    return prepared(lambda found: Preparation({**found.splits, "test": utterances or found.splits["train"]}))


counter = iter(range(10**6))
CORPORA = {
    "says_where_it_comes_from": break_(Folder, licence=" "),
    "empty_folder_is_refused": break_(Folder, prepare=lambda self, folder: Preparation({})),
    "preparation_is_deterministic": prepared(lambda found: Preparation(found.splits, [str(next(counter))])),
    "splits_are_filled": prepared(lambda found: Preparation({**found.splits, "dev": []})),
    "ids_are_unique": with_test(),
    "texts_are_disjoint": with_test(Utterance("t", "t.wav", "s", "two")),
    "data_directories_can_be_written": with_test(Utterance("t", "/nowhere/t.wav", "s", "t")),
}


def command(**options):
    return staticmethod(lambda: click.Command(**options))


def heavy_command():
    import numba

    assert numba.__version__
    return click.Command("hello", help="Slow to start.")


class Heavy(Hello):
    """Broken: slow to start."""

    click_command = staticmethod(heavy_command)


COMMANDS = {
    "has_a_help_line": break_(Hello, help="two\nlines"),
    "is_a_click_command": break_(Hello, click_command=command(name="bye", help="Bye.")),
    "everything_has_help": break_(
        Hello, click_command=command(name="hello", help="Hi.", params=[click.Option(["--loud"])])
    ),
    "starts_lightly": Heavy,
}


@dataclasses.dataclass
class Changeable:
    """Not frozen."""


@dataclasses.dataclass(frozen=True)
class Unwritable:
    """A type that YAML does not give back."""

    sizes: frozenset[int] = frozenset({3})


@dataclasses.dataclass(frozen=True)
class Unpicklable:
    """Pickle cannot find what makes it."""

    size: int = 3

    def __reduce__(self):
        return (lambda: 0), ()


COMMON = {
    "name_is_a_word": break_(Convolution, name="My Encoder"),
    "documented": break_(Convolution, __doc__=" "),
    "options_have_defaults": break_(Convolution, Config=Changeable),
    "options_survive_yaml": break_(Convolution, Config=Unwritable),
    "options_can_be_pickled": break_(Convolution, Config=Unpicklable),
    "expected_failures_are_real": break_(Convolution, expected_failures={"padding": "a reason"}),
}

MUTANTS = {
    "encoders": {**COMMON, **ENCODERS},
    "features": FEATURES,
    "augmentations": AUGMENTATIONS,
    "losses": LOSSES,
    "decoders": DECODERS,
    "tokenizers": TOKENIZERS,
    "corpora": CORPORA,
    "commands": COMMANDS,
}
