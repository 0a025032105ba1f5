"""Which utterances meet in which batch of which epoch: as ever by default, otherwise as ``train.batches`` says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dstoolkit import config
from dstoolkit.data.archive import Archive
from dstoolkit.data.batches import Batches
from dstoolkit.errors import ConfigError, DataError
from dstoolkit.features.augment import Augment
from dstoolkit.features.cmvn import Cmvn
from dstoolkit.pipeline import heard
from dstoolkit.pipeline.experiment import TrainConfig
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.training import order
from dstoolkit.training.dataset import Dataset
from dstoolkit.training.distributed import World
from dstoolkit.training.loading import Plan, stream
from dstoolkit.training.order import Order
from tests import toy

PLAIN = Augment(frequency_masks=0, time_masks_per_second=0, stretch=0)
TEMPO = Augment(frequency_masks=0, time_masks_per_second=0, tempo=(0.6, 1.8))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return toy.make(tmp_path_factory.mktemp("toy"), train=60)


def dataset(corpus: Path, augment: Augment = PLAIN, bucket: float = 0.0) -> Dataset:
    archive = Archive(corpus / "train/features.h5")
    source = heard.source(archive, corpus / "train", Cmvn("none", archive.mean, archive.variance), augment)
    texts = dict(line.split(" ", 1) for line in (corpus / "train/text").read_text().splitlines())
    return Dataset(source, texts, Vocabulary.load(corpus / "tokenizer"), bucket)


def ordered(data: Dataset, world: World | None = None, sortagrad: bool = False, **batches) -> Order:
    options = TrainConfig(epochs=3, batch_seconds=2, accumulate=2, sortagrad=sortagrad, batches=Batches(**batches))
    return Order(data, options, 7, world or World())


def flat(found: Order, epoch: int) -> list[int]:
    return [at for batch in found.batches(epoch) for at in batch.tolist()]


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


# Augmentation, sortagrad and processes -> digests of the batches and of the last process's plans, before there was the
# option train.batches: what was trained then can be repeated.
BEFORE = [
    (PLAIN, True, 1, "bb3af6af1fc1ece6", "87c39a7eeb287125"),
    (PLAIN, True, 2, "bb3af6af1fc1ece6", "4b410927df48ad7c"),
    (PLAIN, False, 1, "e19760eb426426f5", "469867b261b28db8"),
    (PLAIN, False, 2, "e19760eb426426f5", "9281031cbde2a104"),
    (TEMPO, True, 1, "5b75504bac083db1", "e480b6eb302ed6aa"),
    (TEMPO, True, 2, "5b75504bac083db1", "861249c2c01ea0aa"),
    (TEMPO, False, 1, "f1a948da73ef9149", "bd0e67777bfb9039"),
    (TEMPO, False, 2, "f1a948da73ef9149", "18f7dd2b8b10c62a"),
]


@pytest.mark.parametrize(("augment", "sortagrad", "size", "batches", "plans"), BEFORE)
def test_the_default_is_what_it_always_was(corpus, augment, sortagrad, size, batches, plans):
    data = dataset(corpus, augment)
    assert digest(data.lengths.tolist()) == "c3b928566ea9741a"  # else the corpus is another
    found = ordered(data, World(size - 1, size), sortagrad)
    assert digest([[batch.tolist() for batch in found.batches(epoch)] for epoch in (1, 2, 3)]) == batches
    assert digest([[each.indices.tolist(), each.seed, each.weight] for each in found.plans(1, 2)]) == plans


OPTIONS = [
    {"size": 7},
    {"size": 7, "order": "shuffled", "most": 4, "sorted_epochs": 1},
    {"size": 7, "order": "given", "full": True},
    {"order": "sorted", "sort_by": "text", "reverse": True},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_going_on_within_an_epoch_and_in_several_processes_is_the_same(corpus, options):
    """All processes' parts together are the batches; the plans after so many steps are the rest of all."""
    data = dataset(corpus, TEMPO)
    alone = ordered(data, **options)
    batches = [batch for epoch in (1, 2, 3) for batch in alone.batches(epoch)]
    assert alone.steps() == len(batches)
    plans = list(alone.plans(1, 0))
    assert np.concatenate([each.indices for each in plans]).tolist() == np.concatenate(batches).tolist()
    later = list(ordered(data, **options).plans(2, 3))
    for one, other in zip(later, plans[-len(later) :], strict=True):
        assert (one.indices.tolist(), one.seed) == (other.indices.tolist(), other.seed)
    assert sum(len(alone.cut(batch)) for batch in batches[len(alone.batches(1)) + 3 :]) == len(later)
    shares = [list(ordered(data, World(rank, 2), **options).plans(1, 0)) for rank in (0, 1)]
    for whole, *own in zip(plans, *shares, strict=True):
        together = [at for each in own if each.weight for at in each.indices.tolist()]
        assert sorted(together) == sorted(whole.indices.tolist())


def test_epochs_sorted_at_the_beginning_are_augmented_but_for_sortagrads(corpus):
    data = dataset(corpus, TEMPO)
    for sortagrad in (False, True):
        found = ordered(data, sortagrad=sortagrad, size=8, order="shuffled", sorted_epochs=2)
        steps = [len(found.batches(epoch)) * 2 for epoch in (1, 2, 3)]  # in two parts
        seeds = [each.seed for each in found.plans(1, 0)]
        assert seeds == [None if sortagrad else (7, 1)] * steps[0] + [(7, 2)] * steps[1] + [(7, 3)] * steps[2]
        for epoch in (1, 2, 3):
            plain = sortagrad and epoch == 1
            lengths = data.lengths if plain else np.round(data.lengths / data.source.drawn((7, epoch)).tempos)
            assert bool((np.diff(lengths[flat(found, epoch)]) >= 0).all()) == (epoch < 3)


@pytest.mark.parametrize("reverse", [False, True])
def test_sorted_by_the_number_of_target_tokens(corpus, reverse):
    data = dataset(corpus)
    tokens = np.asarray([len(each) for each in data.targets])
    found = ordered(data, size=8, sorted_epochs=1, sort_by="text", reverse=reverse)
    assert tokens[flat(found, 1)].tolist() == sorted(tokens.tolist(), reverse=reverse)
    assert data.lengths[flat(found, 1)].tolist() != sorted(data.lengths.tolist(), reverse=reverse)
    assert tokens[flat(found, 2)].tolist() != sorted(tokens.tolist(), reverse=reverse)
    grad = ordered(data, sortagrad=True, sort_by="text")
    assert tokens[flat(grad, 1)].tolist() == sorted(tokens.tolist())


def test_utterances_that_are_left_out_stay_out_and_most_are_others_each_epoch(corpus):
    data = dataset(corpus)
    kept = np.arange(0, 60, 2)
    data.keep(kept)
    found = ordered(data, size=4, order="shuffled", most=3)
    assert found.steps() == 9
    assert set(flat(found, 1)) | set(flat(found, 2)) <= set(kept.tolist())
    assert set(flat(found, 1)) != set(flat(found, 2))
    assert flat(ordered(data, order="given", size=4), 2) == kept.tolist()


def test_epochs_in_the_archives_order_before_random_ones(corpus):
    data = dataset(corpus)
    found = ordered(data, size=8, order="shuffled", sorted_epochs=2, sort_by="given")
    assert flat(found, 1) == flat(found, 2) == list(range(60))
    assert flat(found, 3) != list(range(60))
    assert flat(ordered(data, size=8, order="shuffled", sorted_epochs=1, sort_by="given", reverse=True), 1)[0] == 59


def validations(data: Dataset, dev: Dataset, *epochs: int, **options) -> list[list[int]]:
    """The utterances of ``dev`` that each epoch's validation hears, in order."""
    found = Order(data, TrainConfig(batch_seconds=2, dev_batches=Batches(**options)), 7, World())
    return [[at for batch in found.validation(dev, epoch) for at in batch.tolist()] for epoch in epochs]


def test_a_validation_hears_all_by_default_and_shortest_first(corpus):
    data = dataset(corpus, TEMPO)
    found = Order(data, TrainConfig(batch_seconds=2), 7, World())
    batches = [each.tolist() for each in found.validation(data, 4)]
    assert batches == [each.tolist() for each in data.plan(round(2 / data.archive.frame_shift))]
    assert batches == [each.tolist() for each in found.validation(data, 5)]


def test_which_batches_a_validation_hears(corpus):
    data = dataset(corpus)
    one, two = validations(data, data, 1, 2, size=4, order="shuffled", most=3)
    assert len(one) == len(two) == 12
    assert set(one) != set(two)
    assert validations(data, data, 1, 2, size=4, order="given", most=2) == [list(range(8))] * 2
    assert validations(data, data, 3, size=4, order="given", reverse=True, most=1) == [[59, 58, 57, 56]]
    shortest = np.argsort(data.lengths, kind="stable").tolist()
    early, late = validations(data, data, 2, 3, size=4, order="shuffled", sorted_epochs=2, most=3)
    assert early == shortest[:12]
    assert set(late) != set(early)
    assert len(validations(data, data, 1, size=7, order="given", full=True)[0]) == 56
    liked = validations(data, data, 1, 2, size=5, most=2)  # of like length, and not the shortest ones each time
    assert set(liked[0]) != set(liked[1])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bucket_pads_what_is_heard_and_its_halves(corpus, workers):
    data = dataset(corpus, TEMPO, bucket=0.3)
    assert data.multiple == 30
    plans = [Plan(each, (3, 2)) for each in data.plan(300, (3, 2))]
    with stream(data, plans, workers, torch.device("cpu")) as batches:
        found = list(batches)
    with stream(dataset(corpus, TEMPO), plans, 0, torch.device("cpu")) as batches:
        plain = list(batches)
    assert {batch.frames.shape[1] % 30 for batch in plain} != {0}
    for batch, tight in zip(found, plain, strict=True):
        longest = int(batch.lengths.max())
        assert longest <= batch.frames.shape[1] < longest + 30
        assert batch.frames.shape[1] % 30 == 0
        assert batch.size <= 300 or len(batch) == 1
        assert torch.equal(batch.frames[:, :longest], tight.frames)
        assert not batch.frames[:, longest:].any()
    for half in (half for batch in found if len(batch) > 1 for half in batch.to(torch.device("cpu")).halves()):
        longest = int(half.lengths.max())
        assert half.frames.shape[1] % 30 == 0
        assert longest <= half.frames.shape[1] < longest + 30


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batches": {"order": "sorted", "reverse": True}}, "batches.reverse is against sortagrad"),
        ({"sortagrad": False, "batches": {"sort_by": "text"}}, "batches.sort_by is of sorted epochs"),
        ({"dev_batches": {"sort_by": "text"}}, "dev_batches.sort_by is of sorted validations"),
        ({"batches": {"size": -3}}, "train.batches: size is -3; expected 0 or more"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, said):
    with pytest.raises(ConfigError) as error:
        config.build(TrainConfig, options, "x.yaml: train")
    assert said in str(error.value)


def test_full_batches_want_enough_utterances(corpus):
    data = dataset(corpus)
    data.keep(np.arange(7))
    order.check(data, Batches(size=7, full=True), "train.batches")
    order.check(data, Batches(size=8), "train.batches")
    with pytest.raises(DataError, match="7 utterances; expected 8 or more for one batch"):
        order.check(data, Batches(size=8, full=True), "train.dev_batches")


def test_frames_of_each_batch_are_those_that_are_heard(corpus):
    data = dataset(corpus, TEMPO)
    found = ordered(data, sortagrad=True, size=8, most=3)
    batches = found.batches(1)
    assert found.frames(1, batches) == [int(data.lengths[each].sum()) for each in batches]
    for epoch in (2, 3):
        lengths = np.round(data.lengths / data.source.drawn((7, epoch)).tempos)
        batches = found.batches(epoch)
        assert found.frames(epoch, batches) == [int(lengths[each].sum()) for each in batches]
    assert found.usual == sum(found.frames(3, found.batches(3)))
    assert Order(data, TrainConfig(epochs=0), 7, World()).usual == 0
