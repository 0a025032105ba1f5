"""A saved recogniser is what was trained, and refuses features of another kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dstoolkit.config import Choice
from dstoolkit.data.archive import Archive
from dstoolkit.data.archive_writer import ArchiveWriter
from dstoolkit.errors import DstoolkitError
from dstoolkit.models.deepspeech import DeepSpeech, DeepSpeechConfig
from dstoolkit.pipeline import checkpoint, recognition
from dstoolkit.pipeline.experiment import Experiment
from tests import toy


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from dstoolkit.pipeline.experiment import load
    from dstoolkit.training import setup

    folder = toy.make(tmp_path_factory.mktemp("toy"))
    sources = setup.Sources(folder / "train", folder / "dev", folder / "tokenizer")
    for kind in ("global", "speaker", "utterance", "none"):
        setup.train(folder / kind, load(folder / "train.yaml", [f"cmvn={kind}", "train.epochs=1"]), sources, "cpu")
    return folder


@pytest.mark.parametrize("threads", [1, 2])
def test_the_network_runs_in_one_thread_and_torch_keeps_its_number(trained, monkeypatch, threads):
    recogniser = recognition.Recogniser.load(trained / "global")
    seen, run = [], recogniser.model.log_probs
    monkeypatch.setattr(recogniser.model, "log_probs", lambda *rows: seen.append(torch.get_num_threads()) or run(*rows))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        recogniser.log_probs([np.zeros((9, toy.DIM), np.float32)])
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert seen == [1]


def test_whitening_is_in_use_after_training_and_its_file_is_an_input(trained, tmp_path):
    from dstoolkit.data.archive import Archive
    from dstoolkit.errors import StampError
    from dstoolkit.features.whitening import Spread
    from dstoolkit.pipeline.experiment import load
    from dstoolkit.training import setup

    archive, file = Archive(trained / "train/features.h5"), tmp_path / "norm.json"
    frames = [archive.frames(at) for at in range(len(archive))]
    Spread.of(frames, "train").save(file)
    chosen = load(trained / "train.yaml", ["train.epochs=1", f"cmvn.statistics={file}"])
    sources = setup.Sources(trained / "train", trained / "dev", trained / "tokenizer")
    assert setup.train(tmp_path / "exp", chosen, sources, "cpu")
    cmvn = recognition.Recogniser.load(tmp_path / "exp").cmvn
    whitened = np.concatenate([cmvn.apply(each) for each in frames])
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(toy.DIM), atol=1e-3)
    Spread.of(frames[1:], "train").save(file)
    with pytest.raises(StampError, match=r"input 'cmvn/statistics' has changed"):
        setup.train(tmp_path / "exp", chosen, sources, "cpu")
    file.unlink()
    with pytest.raises(DstoolkitError, match=r"cmvn\.statistics: no file or folder"):
        setup.train(tmp_path / "exp", chosen, sources, "cpu")


def test_the_experiment_comes_from_the_checkpoint(trained, tmp_path):
    assert recognition.experiment_of(trained / "speaker").cmvn == "speaker"
    checkpoint.save(tmp_path / "best.pt", {"weights": {}})
    with pytest.raises(DstoolkitError, match="a checkpoint without its configuration; train again"):
        recognition.experiment_of(tmp_path)


def test_output_frame_shift_and_log_probs(trained):
    recogniser = recognition.Recogniser.load(trained / "global")
    assert recogniser.frame_shift == pytest.approx(2 * toy.SHIFT)
    log_probs, lengths = recogniser.log_probs([np.zeros((9, toy.DIM), np.float32), np.zeros((4, toy.DIM), np.float32)])
    assert log_probs.shape == (2, 5, recogniser.vocabulary.size)
    assert lengths.tolist() == [5, 2]
    torch.testing.assert_close(log_probs.exp().sum(2), torch.ones(2, 5))


def test_features_of_another_kind_are_refused(trained, tmp_path):
    described = {"num_mel_bins": toy.DIM + 1}
    with ArchiveWriter(
        tmp_path / "x.h5", extractor="fbank", config=described, sample_rate=16000, frame_shift=toy.SHIFT, dim=toy.DIM
    ) as archive:
        archive.add("u", np.zeros((9, toy.DIM), np.float32), "s", 0.09)
    recogniser = recognition.Recogniser.load(trained / "global")
    with pytest.raises(DstoolkitError) as raised:
        recogniser.check_archive(Archive(tmp_path / "x.h5"))
    assert "sample_rate is 16000; the model expects 8000" in str(raised.value)
    assert "config is {'num_mel_bins': 13}" in str(raised.value)


def test_a_folder_without_a_training_is_refused(tmp_path):
    with pytest.raises(
        DstoolkitError, match=r"no 'best\.pt'; expected a training's folder; run 'dstoolkit train' first"
    ):
        recognition.Recogniser.load(tmp_path)


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("border", ["same", "valid"])
def test_subsampling_is_the_stride(stride, border):
    config = DeepSpeechConfig(kernels=4, size=4, layers=1, stride=stride, border=border)
    assert recognition.subsampling(recognition.CTCModel(DeepSpeech(config, 3), 5)) == stride


def test_an_encoder_that_does_not_take_its_options_is_named():
    choice = Choice("deepspeech", {"kernels": 0}, "conf/x.yaml: encoder")
    with pytest.raises(DstoolkitError, match=r"conf/x\.yaml: encoder: kernels is 0; expected 1 or more"):
        recognition.build_model(Experiment(encoder=choice), 3, 5)


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert recognition.best_device("auto") == "cpu"
    with pytest.raises(DstoolkitError, match="'cuda' is not usable here"):
        recognition.best_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert recognition.best_device("auto") == "cuda"
