"""A training learns, is the same again, names trouble, and refuses what it cannot do."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from dstoolkit.data.archive import Archive
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.scoring import wer
from tests import toy


def weights(exp: Path) -> dict[str, torch.Tensor]:
    return torch.load(exp / "last.pt", weights_only=True)["model"]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_learns_decodes_and_scores(corpus, tmp_path, dstoolkit):
    exp = tmp_path / "exp"
    result = dstoolkit(*toy.arguments(corpus, exp, "--set", "train.epochs=20"))
    metrics = [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]
    assert [each["epoch"] for each in metrics] == list(range(1, 21))
    assert metrics[-1]["dev_wer"] < 20 < metrics[0]["dev_wer"]
    assert metrics[-1]["lr"] < 1e-4
    assert "true: " in result.output
    assert "pred: " in result.output
    assert (exp / "curves.png").read_bytes().startswith(b"\x89PNG")
    dstoolkit("decode", exp, corpus / "dev", "--out", exp / "decode", "--device", "cpu")
    best = min(metrics, key=lambda each: (each["dev_wer"], each["dev_loss"]))
    hypotheses = dict(line.split(" ", 1) for line in (exp / "decode" / "text").read_text().splitlines())
    references = dict(line.split(" ", 1) for line in (corpus / "dev" / "text").read_text().splitlines())
    assert list(hypotheses) == sorted(references)
    wrong = sum(hypotheses[each] != references[each] for each in references)
    assert (wrong == 0) == (best["dev_wer"] == 0)
    for line in (exp / "decode" / "nbest.jsonl").read_text().splitlines():
        row = json.loads(line)
        (hypothesis,) = row["hypotheses"]
        assert hypothesis["text"] == hypotheses[row["utterance"]]
        assert [word["text"] for word in hypothesis["words"]] == hypothesis["text"].split()
        times = [time for word in hypothesis["words"] for time in (word["start"], word["end"])]
        assert times == sorted(times)
    assert "already done" in dstoolkit(*toy.arguments(corpus, exp, "--set", "train.epochs=20")).output
    again = dstoolkit("decode", exp, corpus / "dev", "--out", exp / "decode", "--device", "cpu")
    assert "already done" in again.output


def test_validation_decodes_as_the_section_train_says(corpus, tmp_path, dstoolkit):
    """The section decoder is checked, and no more: its language model may come later."""
    command = toy.arguments(corpus, tmp_path / "exp", "--set", "train.epochs=1", "--set")
    assert "no decoder 'beem'" in dstoolkit(*command, "decoder=beem", status=2).stderr
    own = ["train.decoder=beam", "--set", "train.decoder.lm=absent.arpa"]
    assert "no file 'absent.arpa'" in dstoolkit(*command, *own, status=2).stderr
    dstoolkit(*command, "decoder=beam", "--set", "decoder.lm=absent.arpa")


def test_the_same_seed_gives_the_same_weights_and_another_others(corpus, tmp_path, dstoolkit):
    augmented = ["--set", "augment.stretch=0.1", "--set", "encoder.dropout=0.2", "--set", "train.epochs=2"]
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        dstoolkit(*toy.arguments(corpus, tmp_path / name, *augmented, "--set", f"seed={seed}"))
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_the_gradient_of_a_batch_is_per_token_or_per_utterance(corpus, tmp_path, dstoolkit):
    """Without momentum a rate that many times higher undoes the division by the tokens of an utterance."""
    texts = dict(line.split(" ", 1) for line in (corpus / "train/text").read_text().splitlines())
    ratio = sum(map(len, texts.values())) / len(texts)  # tokens an utterance, in the one batch there is
    plain = ["train.clip=0", "train.epochs=1", "train.batch_seconds=1000", "train.scheduler=constant", "train.warmup=0"]
    sgd = "train.optimizer={name: sgd, momentum: 0, weight_decay: 0}"
    options = [word for each in (*plain, sgd) for word in ("--set", each)]
    rates = {"token": 0.001 * ratio, "utterance": 0.001}
    for per, rate in rates.items():
        more = ["--set", f"train.loss_per={per}", "--set", f"train.lr={rate}"]
        dstoolkit(*toy.arguments(corpus, tmp_path / per, *options, *more))
    first, second = (weights(tmp_path / each) for each in rates)
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-6)
    dstoolkit(*toy.arguments(corpus, tmp_path / "low", *options, "--set", "train.lr=0.001"))
    assert not same(weights(tmp_path / "low"), second)


def test_an_observer_sees_the_predictions_and_saves_weights(corpus, tmp_path, dstoolkit, monkeypatch):
    from dstoolkit import plugins
    from dstoolkit.pipeline.recognition import Recogniser

    observe, seen = plugins.Registry.observe, []

    def also(self, hook, **values):
        observe(self, hook, **values)
        if hook == "dstoolkit_epoch_end":
            values["run"].save(values["run"].folder / f"own-{values['run'].epoch}.pt")
            seen.append(dict(values["run"].predictions))

    monkeypatch.setattr(plugins.Registry, "observe", also)
    exp = tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, exp, "--set", "train.epochs=2"))
    texts = dict(line.split(" ", 1) for line in (corpus / "dev/text").read_text().splitlines())
    assert len(seen) == 2
    assert {name: truth for name, (truth, _) in seen[1].items()} == texts
    last = torch.load(exp / "last.pt", weights_only=True)["average"]
    assert same(Recogniser.load(exp, name="own-2.pt").model.state_dict(), last)
    assert not same(Recogniser.load(exp, name="own-1.pt").model.state_dict(), last)


def test_validation_of_some_batches_is_what_is_scored_and_shown(corpus, tmp_path, dstoolkit, monkeypatch):
    """The figures are those of the batches heard, whose order the predictions have."""
    from dstoolkit.training import trainer

    validate, seen = trainer.validate, []
    monkeypatch.setattr(trainer, "validate", lambda *given: seen.append(validate(*given)) or seen[-1])
    options = ["--set", "train.epochs=2", "--set", "train.dev_batches={size: 2, order: given, reverse: true, most: 2}"]
    dstoolkit(*toy.arguments(corpus, tmp_path / "exp", *options))
    lines = [json.loads(line) for line in (tmp_path / "exp/metrics.jsonl").read_text().splitlines()]
    texts = dict(line.split(" ", 1) for line in (corpus / "dev/text").read_text().splitlines())
    for line, found in zip(lines, seen, strict=True):
        assert list(found.references) == ["u005", "u004", "u003", "u002"]
        assert found.references == {name: texts[name] for name in found.references}
        assert line["dev_wer"] == pytest.approx(100 * wer.score(found.references, found.hypotheses).wer.rate)
    begun = json.loads((tmp_path / "exp/begun.json").read_text())
    assert begun["config"]["train"]["dev_batches"]["most"] == 2


def test_options_that_came_later_are_no_difference_at_their_defaults(corpus, tmp_path, dstoolkit):
    dstoolkit(*toy.arguments(corpus, tmp_path / "exp", "--set", "train.epochs=1"))
    assert "dev_batches" not in json.loads((tmp_path / "exp/begun.json").read_text())["config"]["train"]
    done = dstoolkit(*toy.arguments(corpus, tmp_path / "exp", "--set", "train.epochs=1"))
    assert "already" in done.output


def test_what_is_wrong_with_the_same_data_is_told_once(corpus, tmp_path, dstoolkit, monkeypatch):
    from dstoolkit.training import setup

    seen = []
    monkeypatch.setattr(setup, "inspect", lambda archive, *_: seen.append(archive.path.parent.name))
    arguments = toy.arguments(corpus, tmp_path / "exp", "--set", "train.epochs=1")
    dstoolkit(*arguments)
    assert seen == ["train", "dev"]
    seen.clear()
    dstoolkit(*arguments, "--force", "--dev", corpus / "train")
    assert seen == ["train"]


def test_another_configuration_is_refused_unless_forced(corpus, tmp_path, dstoolkit):
    exp = tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, exp, "--set", "train.epochs=1"))
    refused = dstoolkit(*toy.arguments(corpus, exp, "--set", "train.epochs=2"), status=2)
    assert "train.epochs was 1, now 2" in refused.output
    assert "--force" in refused.output
    dstoolkit(*toy.arguments(corpus, exp, "--set", "train.epochs=2", "--force"))
    assert (exp / "metrics.jsonl").read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("train.epoch=5", "train.epoch: no such option; did you mean 'epochs'?"),
        ("encoder=transducer", "no encoder 'transducer' (have: "),
        ("encoder.sizes=3", "encoder.sizes: no such option; did you mean 'size'?"),
        ("encoder.stride=0", "stride is 0; expected 1 or more"),
        ("train.optimizer=adamw2", "no optimizer 'adamw2'"),
        ("train.optimizer.beta=1", "train.optimizer.beta: no such option; did you mean 'betas'?"),
        ("train.scheduler.steps=1", "train.scheduler: steps: no such option"),
        ("features=mfcc", "holds 'fbank' features"),
        ("text.case=upper", "train the tokenizer anew"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_made(corpus, tmp_path, dstoolkit, setting, said):
    result = dstoolkit(*toy.arguments(corpus, tmp_path / "exp", "--set", setting), status=2)
    assert said in result.output
    assert not (tmp_path / "exp" / "best.pt").exists()


def test_missing_inputs_are_all_named(corpus, tmp_path, dstoolkit):
    (tmp_path / "train").mkdir()
    paths = ["--train", tmp_path / "train", "--dev", corpus / "dev", "--tokenizer", tmp_path / "none"]
    result = dstoolkit("train", tmp_path / "exp", *paths, status=2)
    for name in ("train/text", "train/features.h5", "none"):
        assert str(tmp_path / name) in result.output
    assert "run 'dstoolkit features extract' first" in result.output


def test_text_without_features_and_the_reverse(tmp_path, dstoolkit):
    corpus = toy.make(tmp_path / "toy", train=4)
    text = corpus / "train" / "text"
    text.write_text(text.read_text().replace("u001 ", "u999 "))
    result = dstoolkit(*toy.arguments(corpus, tmp_path / "exp"), status=2)
    assert "utterance 'u001' has no text" in result.output
    assert "text 'u999' has no features" in result.output


def test_utterances_too_short_for_their_text_are_named_and_left_out(tmp_path, dstoolkit):
    corpus = toy.make(tmp_path / "toy", train=4)
    text = corpus / "train" / "text"
    lines = text.read_text().splitlines()
    text.write_text("\n".join([f"u000 {'one two ' * 40}", *lines[1:]]) + "\n")
    result = dstoolkit(*toy.arguments(corpus, tmp_path / "exp", "--set", "train.epochs=1"))
    assert "1 left out, too short for their text: 'u000'" in result.output


def test_utterances_beyond_the_length_limits_are_counted_named_once_and_left_out(corpus, tmp_path, dstoolkit):
    limits = ["--set", "train.min_seconds=0.2", "--set", "train.max_seconds=0.46", "--set", "train.epochs=2"]
    result = dstoolkit(*toy.arguments(corpus, tmp_path / "exp", *limits))
    with Archive(corpus / "train" / "features.h5") as archive:
        seconds = archive.lengths * archive.frame_shift
    assert result.output.count("left out, shorter than train.min_seconds, 0.2 s") == 1
    assert f"{(seconds < 0.2).sum()} left out, shorter" in result.output
    assert f"{(seconds > 0.46).sum()} left out, longer than train.max_seconds, 0.46 s" in result.output
    nothing = ["--set", "train.min_seconds=90"]
    refused = dstoolkit(*toy.arguments(corpus, tmp_path / "none", *nothing), status=2)
    assert "every utterance is left out" in refused.output


def test_batches_are_planned_by_the_lengths_that_are_heard(corpus, tmp_path):
    """Padding would be a third of the batches if they were planned by the lengths on disk."""
    from dstoolkit.features.augment import Augment
    from dstoolkit.features.cmvn import Cmvn
    from dstoolkit.pipeline import heard
    from dstoolkit.training.dataset import Dataset
    from dstoolkit.training.loading import Plan, stream

    archive = Archive(corpus / "train" / "features.h5")
    augment = Augment(frequency_masks=0, time_masks_per_second=0, tempo=(0.6, 1.8))
    source = heard.source(archive, corpus / "train", Cmvn("none", archive.mean, archive.variance), augment)
    texts = dict(line.split(" ", 1) for line in (corpus / "train/text").read_text().splitlines())
    dataset = Dataset(source, texts, Vocabulary.load(corpus / "tokenizer"))
    plan = dataset.plan(150, (3, 2))
    assert sorted(at for batch in plan for at in batch.tolist()) == list(range(len(archive)))
    with stream(dataset, [Plan(each, (3, 2)) for each in plan], 0, torch.device("cpu")) as batches:
        heard_batches = list(batches)
    for batch in heard_batches:
        assert batch.size <= 150 or len(batch) == 1
    own = sum(int(batch.lengths.sum()) for batch in heard_batches)
    assert own / sum(batch.size for batch in heard_batches) > 0.85
    lengths = np.concatenate([batch.lengths.numpy() for batch in heard_batches])
    assert not np.array_equal(np.sort(lengths), np.sort(archive.lengths))


def test_a_bucket_is_counted_as_padding_and_validation_is_padded_too(corpus, tmp_path, dstoolkit, monkeypatch):
    from dstoolkit.models.ctc_model import CTCModel

    forward, shapes = CTCModel.forward, {True: [], False: []}

    def noted(self, frames, lengths):
        shapes[self.training].append((*frames.shape[:2], int(lengths.sum())))
        return forward(self, frames, lengths)

    monkeypatch.setattr(CTCModel, "forward", noted)
    options = ["--set", "train.epochs=1", "--set", "train.batches={size: 6, bucket: 0.25}"]
    dstoolkit(*toy.arguments(corpus, tmp_path / "exp", *options))
    (line,) = (tmp_path / "exp/metrics.jsonl").read_text().splitlines()
    assert [count for count, _, _ in shapes[True]] == [6, 6, 6, 6]
    assert {frames % 25 for each in shapes.values() for _, frames, _ in each} == {0}
    assert len(shapes[False]) > 0
    padded, own = (sum(each) for each in zip(*((c * f, s) for c, f, s in shapes[True]), strict=True))
    assert json.loads(line)["padding"] == pytest.approx(1 - own / padded)


def test_full_batches_that_there_are_not_enough_utterances_for_are_refused(corpus, tmp_path, dstoolkit):
    options = ["--set", "train.batches={size: 100, full: true}"]
    refused = dstoolkit(*toy.arguments(corpus, tmp_path / "exp", *options), status=2).output
    assert "24 utterances; expected 100 or more for one batch, by train.batches.full; lower train.bat" in refused
    options = ["--set", "train.dev_batches={size: 7, full: true}"]
    refused = dstoolkit(*toy.arguments(corpus, tmp_path / "exp", *options), status=2).output
    assert "6 utterances; expected 7 or more for one batch, by train.dev_batches.full; lower train.dev_bat" in refused
    assert not (tmp_path / "exp").exists()


def test_a_training_begins_with_anothers_weights(corpus, tmp_path, dstoolkit):
    first, second = tmp_path / "first", tmp_path / "second"
    dstoolkit(*toy.arguments(corpus, first, "--set", "train.epochs=15"))
    command = toy.arguments(corpus, second, "--init", first, "--set", "train.epochs=1", "--set", "train.lr=1e-6")
    dstoolkit(*command)
    best = torch.load(first / "best.pt", weights_only=True)
    losses = [json.loads(line)["dev_loss"] for line in (second / "metrics.jsonl").read_text().splitlines()]
    assert losses[0] == pytest.approx(best["metrics"]["dev_loss"], rel=0.1)
    assert "already done" in dstoolkit(*command).output
    by_file = [first / "best.pt" if each == first else each for each in command]
    assert "already done" in dstoolkit(*by_file).output
    assert "initial" in dstoolkit(*toy.arguments(corpus, second, *command[-4:]), status=2).output
    other = toy.arguments(corpus, tmp_path / "other", "--init", first, "--set", "encoder.size=17")
    refused = dstoolkit(*other, status=2).output
    assert "encoder.recurrent.0.directions.0.weight_ih_l0 is (64, 24); the experiment's is (68, 24)" in refused
    absent = dstoolkit(*toy.arguments(corpus, tmp_path / "none", "--init", tmp_path / "nowhere"), status=2).output
    assert "best.pt: no such file or folder; --init names a trained recogniser's folder" in absent


def test_damaged_checkpoint_is_a_clear_error(corpus, tmp_path, dstoolkit):
    exp = tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, exp, "--set", "train.epochs=1"))
    content = (exp / "best.pt").read_bytes()
    (exp / "best.pt").write_bytes(content[: len(content) // 2])
    result = dstoolkit("decode", exp, corpus / "dev", "--out", tmp_path / "out", status=2)
    assert "best.pt: damaged, or no checkpoint" in result.output
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_never_runs_code(corpus, tmp_path, dstoolkit):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    exp = tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, exp, "--set", "train.epochs=1"))
    torch.save({"format": 1, "weights": Evil()}, exp / "best.pt")
    dstoolkit("decode", exp, corpus / "dev", "--out", tmp_path / "out", status=2)
    assert not (tmp_path / "ran").exists()


def test_hopeless_training_stops_with_advice(corpus, tmp_path, dstoolkit):
    from dstoolkit.features.cmvn import Cmvn

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cmvn, "apply", lambda self, frames, speaker=None: frames * np.float32("nan"))
        result = dstoolkit(*toy.arguments(corpus, tmp_path / "exp", "--set", "train.batch_seconds=0.1"), status=2)
    assert "20 steps in a row without a finite loss" in result.output


def test_an_utterance_whose_loss_is_no_number_is_named_and_does_not_reach_the_weights(corpus, tmp_path, dstoolkit):
    from dstoolkit.models.ctc_model import CTCModel

    forward, spoilt = CTCModel.forward, []

    def spoil(self, frames, lengths):
        logits, lengths = forward(self, frames, lengths)
        if self.training and not spoilt:
            spoilt.append(True)
            logits = logits.masked_fill(torch.arange(len(logits))[:, None, None] == 0, float("nan"))
        return logits, lengths

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CTCModel, "forward", spoil)
        result = dstoolkit(*toy.arguments(corpus, tmp_path / "exp", "--set", "train.epochs=1"))
    assert re.search(r"warning: step 1: the loss of 'u\d+' is not finite", result.output)
    assert "skipped" not in result.output
    weights = torch.load(tmp_path / "exp/best.pt", weights_only=True)["weights"]
    assert all(each.isfinite().all() for each in weights.values())


def test_intermediate_layers_train_and_are_not_needed_to_decode(corpus, tmp_path, dstoolkit):
    settings = ["--set", "encoder.layers=2", "--set", "encoder.intermediate=[1]", "--set", "train.epochs=1"]
    exp = tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, exp, *settings))
    dstoolkit("decode", exp, corpus / "dev", "--out", exp / "decode")
    other = tmp_path / "other"
    dstoolkit(*toy.arguments(corpus, other, *settings, "--set", "loss.intermediate_weight=0"))
    first, second = (torch.load(each / "best.pt", weights_only=True)["weights"] for each in (exp, other))
    assert any(not torch.equal(first[name], second[name]) for name in first)
    result = dstoolkit(*toy.arguments(corpus, tmp_path / "no", "--set", "encoder.intermediate=[9]"), status=2)
    assert "intermediate layer 9; expected 1 to" in result.output
