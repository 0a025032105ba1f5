"""What each option of a Kurfile's sections comes to, and what is refused with its line; nothing is trained here."""

from __future__ import annotations

import json
import pickle

import pytest
from dstoolkit_kur import hooks, optimizer, sections, stopping, training, weights
from dstoolkit_kur.aims import Aim
from dstoolkit_kur.kurfile import Kurfile
from dstoolkit_kur.supplier import Data

from dstoolkit.errors import DstoolkitError
from dstoolkit.pipeline.experiment import Snapshots

SECTIONS = {"features": "spectrogram", "tokenizer": {"name": "characters", "characters": "abcdefg "}}


def came_to(kurfile, tmp_path, ours=()):
    made = training.experiment(kurfile, Data(tmp_path, tmp_path, SECTIONS, 0.5, 0), Aim(2), ours)
    return made.train


def test_the_original_training_is_free_of_what_kur_did_not_do(kurfile, tmp_path):
    train = came_to(kurfile(), tmp_path)
    assert (train.ema, train.warmup, train.weight_decay, train.clip, train.loss_per) == (0, 0, 0, 0, "utterance")
    assert (train.optimizer.name, train.lr, train.scheduler.name) == ("adam", 1e-3, "constant")
    assert (train.batches.size, train.batches.order, train.batches.bucket) == (32, "shuffled", 0.5)
    assert not train.sortagrad


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("optimizer: sgd", "sgd", {"lr": 0.01, "momentum": 0.0, "nesterov": False, "schedule": "constant"}),
        (
            "optimizer: {name: sgd, nesterov: yes, momentum: 0.9, learning_rate: 2e-4, decay: 0.1, clip: {norm: 100}}",
            "sgd",
            {"lr": 2e-4, "momentum": 0.9, "nesterov": True, "schedule": "inverse", "clip": 100.0},
        ),
        ("optimizer: {name: sgd, nesterov: yes}", "sgd", {"nesterov": False}),
        ("optimizer: {name: rmsprop, rho: 0.8, clip: {abs: 3}}", "rmsprop", {"alpha": 0.8, "clip_value": 3.0}),
        ("optimizer: {name: adadelta}", "adadelta", {"lr": 1.0, "rho": 0.95}),
        ("optimizer: {learning_rate: 5}", "adam", {"lr": 5.0, "betas": [0.9, 0.999]}),
    ],
)
def test_optimizers(kurfile, tmp_path, text, name, expected):
    train = came_to(kurfile(text), tmp_path)
    found = {**train.optimizer.options, "lr": train.lr, "schedule": train.scheduler.name}
    found |= {"clip": train.clip, "clip_value": train.clip_value}
    assert train.optimizer.name == name
    assert {key: found[key] for key in expected} == expected
    assert optimizer.KINDS.keys() == {"adam", "sgd", "rmsprop", "adadelta"}


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", stopping.Length()),
        ("epochs: 7", stopping.Length(7)),
        ("epochs: {number: 7, mode: total}", stopping.Length(7, total=True)),
        ("stop_when: {epochs: 4}\nepochs: 7", stopping.Length(4)),
        ("stop_when: {epochs: infinite, mode: total}", stopping.Length(total=True)),
        ("epochs: .inf", stopping.Length()),
        ("stop_when: {elapsed: 90}", stopping.Length(minutes=90)),
        ("stop_when: {elapsed: 0.5, epochs: 3, mode: total}", stopping.Length(3, 0.5, total=True)),
        ("stop_when: {elapsed: {days: 1, hours: 2, minutes: 3}}", stopping.Length(minutes=1563)),
        ("stop_when: {elapsed: {hours: 1.5, clock: batch}}", stopping.Length(minutes=90, clock="batch")),
        ("stop_when: {elapsed: infinite, epochs: all}", stopping.Length()),
        ("stop_when: {elapsed: {hours: .inf, clock: train}}", stopping.Length()),
    ],
)
def test_lengths(kurfile, text, length):
    assert stopping.read(kurfile(text).section("train")) == length


@pytest.mark.parametrize(
    ("train", "validate", "expected"),
    [
        ("weights: w", "", (weights.Weights("w", best="w"), None)),
        ("weights: w", "weights: v", (weights.Weights("w"), "v")),
        ("weights: {initial: a, last: b}", "weights: {best: v}", (weights.Weights("a", last="b"), "v")),
        ("weights:", "weights: null", (weights.Weights(), None)),
    ],
)
def test_weights(kurfile, train, validate, expected):
    found = kurfile(train, ("validate:\n", f"validate:\n  {validate}\n"))
    section = found.section("validate")
    assert (weights.of_training(found.section("train"), section), weights.of_validation(section)) == expected


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("w", {"epochs": 1}),
        ("{path: w}", {"epochs": 1}),
        ("{batches: 3, samples: 100, validation: no}", {"steps": 3, "utterances": 100}),
        ("{minutes: 2.5, validation: yes}", {"minutes": 2.5, "validation": "all"}),
        ("{path: null, batches: 3, validation: 2}", {"steps": 3, "validation": 10}),  # of five utterances each
    ],
)
def test_checkpoints(kurfile, tmp_path, option, expected):
    batches = ("validate:\n", "validate:\n  provider: {batch_size: 5}\n")
    found = came_to(kurfile(f"checkpoint: {option}", batches), tmp_path).snapshots
    assert found == Snapshots(**expected)


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ("epohcs: 3", "train.epohcs: no such option; did you mean 'epochs'?"),
        ("stop_when: {elapsed: 0}", "train.stop_when.elapsed: no time; expected more than 0 of minutes, hours or"),
        ("stop_when: {elapsed: {clock: batch}}", "train.stop_when.elapsed: no time; expected more than 0 of"),
        ("stop_when: {elapsed: {hours: -1}}", "train.stop_when.elapsed: hours is -1; expected 0 or more"),
        ("stop_when: {elapsed: {weeks: 1}}", "train.stop_when.elapsed.weeks: no such option"),
        ("stop_when: {elapsed: {hours: 1, clock: wal}}", "train.stop_when.elapsed.clock: 'wal'; expected one of 'all'"),
        ("stop_when: {elapsed: soon}", "train.stop_when.elapsed: 'soon'; expected minutes, or {minutes, hours"),
        ("stop_when: {mode: totle}", "train.stop_when.mode: 'totle'; did you mean 'total'?"),
        ("epochs: 0", "train.epochs: 0; expected how many epochs"),
        ("optimizer: {name: sgdd}", "train.optimizer.name: 'sgdd'; did you mean 'sgd'?"),
        ("optimizer: {momentum: 0.9}", "train.optimizer.momentum: no such option"),
        ("optimizer: {clip: {norm: 0}}", "train.optimizer.clip: norm is 0; expected above 0"),
        ("provider: {batch_sise: 3}", "train.provider.batch_sise: no such option; did you mean 'batch_size'?"),
        ("provider: {sort_by: duraton}", "train.provider.sort_by: 'duraton'"),
        ("provider: {shuffle_after: -2}", "train.provider: shuffle_after is -2; expected 0 epochs or more"),
        ("provider: {sortagrad: duration, sort_by: duration}", "train.provider: sortagrad stands for"),
        ("weights: {inital: w}", "train.weights.inital: no such option; did you mean 'initial'?"),
        ("checkpoint: {minutes: 0}", "train.checkpoint: minutes is 0; expected more than 0"),
        ("checkpoint: {batches: 2.5}", "train.checkpoint.batches: 2.5; expected a whole number"),
        ("checkpoint: {batchs: 2}", "train.checkpoint.batchs: no such option; did you mean 'batches'?"),
        ("checkpoint: {batches: 2, validation: -1}", "train.checkpoint: validation is -1; expected yes, no, or how"),
        ("log: {name: binry, path: log}", "train.log.name: no log 'binry'; did you mean 'binary'?"),
        ("log: {path: log, keep_batch: 3}", "train.log.keep_batch: 3; expected yes or no"),
        ("log: {path: log, rate: 3}", "train.log.rate: 3; of a log of batches; say 'keep_batch: yes' with it"),
        ("log: {path: log, keep_batch: yes, rate: -1}", "train.log.rate: -1; expected seconds, 0 or more"),
        ("log: {name: binary}", "train.log.path: no path"),
        ("log: {name: memory, path: l}", "train.log.path: 'l'; a log 'memory' has no path; leave it out, or say"),
        ("hooks: [transcript]", "train.hooks[0]: no hook 'transcript' of 'train'; expected in: validate"),
        ("hooks: [plott]", "train.hooks[0]: no hook 'plott' of 'train'; did you mean 'plot'?"),
        ("hooks: [{slack: {channel: x, token: t}}]", "train.hooks[0].slack: channel 'x' with token; Slack takes files"),
        ("hooks: [{slack: {channel: x, url: file:///etc}}]", "train.hooks[0].slack: no url of a webhook"),
        ("hooks: [plot]", "train.hooks[0]: nothing to draw"),
    ],
)
def test_refused_with_its_line(write, train, told):
    path = write(train)
    with pytest.raises(DstoolkitError) as error:
        sections.check(Kurfile.load(path))
    line = path.read_text().splitlines().index(f"  {train.splitlines()[0]}") + 1
    assert str(error.value).startswith(f"{path}:{line}: {told}")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("target: asr", "target: ars"), "loss[0].target: the model has no output 'ars'; did you mean 'asr'?"),
        (("relative_to: utterance", "relative_to: as"), "loss[0].relative_to: no layer is called 'as'; did you mean"),
        (("relative_to: utterance", "relative_to: [asr]"), "loss[0].relative_to: ['asr']; expected a layer's name"),
        (("output: transcript}", "output: transcrpt}"), "loss[0].output: the data have no source 'transcrpt'; did you"),
        (("output: transcript}", "output: duration}"), "loss[0].output: 'duration'; expected 'transcript'"),
        (("name: ctc", "weight: 0, name: ctc"), "loss[0].weight: a weight of 0; expected a number above 0; leave out"),
        (("name: ctc", "weight: yes, name: ctc"), "loss[0].weight: a weight of True; expected a number above 0"),
        (("name: ctc", "variant: loss_scal, name: ctc"), "loss[0].variant: 'loss_scal'; did you mean 'loss_scale'?"),
        (("name: ctc", "variant: [warp, x], name: ctc"), "loss[0].variant[1]: 'x'; expected one of: warp, loss_scale"),
        (("name: ctc", "name: mean_squared_error"), "loss[0].name: the loss 'mean_squared_error' is none of transcr"),
        (("input: utterance", "input: images"), "model[0].input: the data have no 'images' for an input"),
        (("kernels: 16", "kernal: 16"), "model[1].convolution.kernal: no such option; did you mean 'kernels'?"),
        (("evaluate:\n", "evaluate:\n  destnation: x\n"), "evaluate.destnation: no such option; did you mean"),
    ],
)
def test_refused_elsewhere(kurfile, change, told):
    with pytest.raises(DstoolkitError) as error:
        sections.check(kurfile("", change))
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("log: l", "l"),
        ("log: {name: binary, path: l, keep_batch: no}", "l"),
        ("log: {path: l, rate: null}", "l"),
        ("log: {path: l, rate: 2.5, keep_batch: yes}", "l"),
        ("log: {name: memory}", None),
        ("log:", None),
        ("", None),
    ],
)
def test_logs(kurfile, text, path):
    assert sections.log(kurfile(text).section("train")) == path


def test_all_faults_are_told_at_once(kurfile):
    with pytest.raises(DstoolkitError) as error:
        sections.check(kurfile("epohcs: 1\nhooks: [x]", ("target: asr", "target: ars")))
    assert len(str(error.value).splitlines()) == 3


def test_the_hooks_of_the_validation_know_its_data(kurfile, tmp_path):
    """Whose audio ``slack`` sends."""
    slack = "[{slack: {channel: C0NF841BK, token: t}}]"
    watched = training.watch(kurfile(f"hooks: {slack}", ("validate:\n", f"validate:\n  hooks: {slack}\n")))
    assert [each.data for each in watched.validate] == [tmp_path / "data/tones/validate"]
    assert [each.data for each in watched.train] == [None]


def test_overrides(write, tmp_path):
    path = write("optimizer: {name: sgd}")
    given = [
        "train.optimizer.learning_rate=0.5",
        "experiment.train.workers=2",
        "train.data[0].speech_recognition.path=z",
    ]
    kurfile, ours = training.load(path, given)
    train = came_to(kurfile, tmp_path, ours=ours)
    assert (train.lr, train.workers, train.optimizer.name) == (0.5, 2, "sgd")
    assert kurfile.section("train").get("data", 0, "speech_recognition", "path").content == "z"
    with pytest.raises(DstoolkitError, match="no element"):
        Kurfile.load(path, ["train.data[3].x=1"])
    with pytest.raises(DstoolkitError, match="no such section"):
        Kurfile.load(path, ["trian.epochs=1"])


@pytest.mark.parametrize(("options", "name"), [("{path: o.json}", "o.json"), ("{path: o, format: pkl}", "o")])
def test_output_writes_all_predictions(kurfile, tmp_path, options, name):
    found = kurfile("", ("validate:\n", f"validate:\n  hooks: [{{output: {options}}}]\n"))
    hooks.read(found.section("validate"), "validate")[0].predicted({"u1": (None, "a"), "u2": ("b", "bb")})
    content = (tmp_path / name).read_bytes()
    rows = json.loads(content) if name.endswith("json") else pickle.loads(content)
    assert rows == [
        {"utterance": "u1", "prediction": "a", "truth": None},
        {"utterance": "u2", "prediction": "bb", "truth": "b"},
    ]


def test_transcript_and_text_print_the_first_utterance(kurfile, capsys):
    found = kurfile("", ("validate:\n", "validate:\n  hooks: [transcript, text]\n"))
    for hook in hooks.read(found.section("validate"), "validate"):
        hook.predicted({"u2": ("b", "bb"), "u1": ("c", "a")})
    said = 'Prediction: "bb"\nTruth: "b"\n'
    assert capsys.readouterr().out == f"{said}Input: u2\n{said}"
