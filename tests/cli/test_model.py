"""``dstoolkit model``: a bundle is the recogniser to the bit, elsewhere too; altered ones are refused."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import subprocess
import sys
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from dstoolkit import plugins
from dstoolkit.errors import DataError, DstoolkitError, FetchError, PluginError
from dstoolkit.pipeline import bundle, exchange, stored_zip
from dstoolkit.pipeline.recognition import Recogniser
from dstoolkit.pipeline.transcription import make_decoder
from tests import toy

SCRIPT = """
import sys, torch
from pathlib import Path
from dstoolkit.pipeline import bundle
frames = torch.load("frames.pt").numpy()
torch.save(bundle.load(Path("toy.dstk")).log_probs([frames]), "out.pt")
"""


@pytest.fixture
def packed(toys, tmp_path, dstoolkit):
    path = tmp_path / "toy.dstk"
    dstoolkit("model", "pack", toys / "exp", "--out", path, "--licence", "CC0-1.0", "--lm", toys / "lm.arpa")
    return path


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_another_process_in_another_folder_hears_the_same_to_the_bit(toys, packed, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(packed, elsewhere / "toy.dstk")
    frames = np.random.default_rng(1).normal(size=(50, toy.DIM)).astype(np.float32)
    torch.save(torch.from_numpy(frames), elsewhere / "frames.pt")
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=elsewhere, check=True)
    wanted, lengths = Recogniser.load(toys / "exp").log_probs([frames])
    found, found_lengths = torch.load(elsewhere / "out.pt")
    assert torch.equal(found, wanted)
    assert torch.equal(found_lengths, lengths)


def test_the_language_model_comes_along(packed, tmp_path, toys):
    recogniser = bundle.load(packed)
    lm = Path(recogniser.experiment.decoder.options["lm"])
    assert lm.read_bytes() == (toys / "lm.arpa").read_bytes()
    assert lm != toys / "lm.arpa"
    assert make_decoder(recogniser.experiment.decoder, recogniser.vocabulary).config.lm == str(lm)
    assert str(toys) not in "".join(str(each) for each in contents(packed).values())


def test_packing_twice_gives_the_same_bytes(packed, toys, dstoolkit):
    before = packed.read_bytes()
    words = ["model", "pack", toys / "exp", "--out", packed, "--lm", toys / "lm.arpa"]
    dstoolkit(*words, "--licence", "CC0-1.0")
    assert packed.read_bytes() == before
    told = dstoolkit(*words, "--licence", "MIT", status=2).output
    assert "is there already, and differs; pass --force" in told
    assert packed.read_bytes() == before
    dstoolkit(*words, "--licence", "MIT", "--force")
    assert packed.read_bytes() != before


def test_a_licence_is_never_guessed(toys, tmp_path, dstoolkit):
    told = dstoolkit("model", "pack", toys / "exp", "--out", tmp_path / "x.dstk", status=2).output
    assert "--licence: not given; expected the licence of the model" in told
    assert not (tmp_path / "x.dstk").exists()


def test_show_and_verify(packed, dstoolkit):
    shown = json.loads(dstoolkit("model", "show", packed, "--json").output)
    assert shown["sha256"] == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert shown["model"]["vocabulary"] == 29
    assert shown["licence"] == "CC0-1.0"
    assert shown["plugins"][0]["needs"]["encoders"] == ["deepspeech"]
    assert shown["results"]["training"]["epochs"] == 12
    assert "licence:  CC0-1.0" in dstoolkit("model", "show", packed).output
    assert "it loads" in dstoolkit("model", "verify", packed).output
    assert "expected 00" in dstoolkit("model", "verify", packed, "--sha256", "00", status=2).output


def test_results_are_those_of_the_very_weights(toys, tmp_path, dstoolkit):
    exp = Path(shutil.copytree(toys / "exp", tmp_path / "exp"))
    dstoolkit("decode", exp, toys / "dev", "--out", exp / "decode_dev", "--device", "cpu")
    dstoolkit(
        "score", "--ref", toys / "dev" / "text", "--hyp", exp / "decode_dev" / "text", "--out", exp / "decode_dev"
    )
    scores = json.loads((exp / "decode_dev" / "wer.json").read_text())
    dstoolkit("model", "pack", exp, "--licence", "MIT")
    shown = json.loads(dstoolkit("model", "show", tmp_path / "exp.dstk", "--json").output)["results"]
    assert shown["tests"]["decode_dev"]["wer"]["errors"] == scores["wer"]["errors"]
    assert shown["tests"]["decode_dev"]["interval"] == scores["intervals"]["utterances"]
    assert (
        f"decode_dev, decoder greedy: WER {100 * scores['wer']['rate']:.2f} %"
        in contents(tmp_path / "exp.dstk")["README.md"].decode()
    )
    other = toy.another(exp, tmp_path / "other")
    dstoolkit("model", "pack", other, "--licence", "MIT")
    shown = json.loads(dstoolkit("model", "show", tmp_path / "other.dstk", "--json").output)["results"]
    assert (shown["tests"], shown["left_out"]) == ({}, ["decode_dev"])


def rezip(path, change):
    """The members changed, the manifest left as it is."""
    members = contents(path)
    change(members)
    stored_zip.write(path, members.items())


def compressed(path):
    members = contents(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def twice(path):
    members = contents(path)
    with pytest.warns(UserWarning, match="Duplicate"):
        stored_zip.write(path, [*members.items(), ("README.md", members["README.md"])])


def of_format(members, number):
    members["dstoolkit.json"] = members["dstoolkit.json"].replace(b'"format": 1', b'"format": %d' % number)


TAMPERED = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-30]), "truncated, or no bundle"),
    "more after it": (lambda path: path.write_bytes(path.read_bytes() + b"more"), "truncated|bytes after"),
    "an added member": (lambda path: rezip(path, lambda it: it.update({"x.py": b""})), "'x.py' is in it"),
    "a lost member": (lambda path: rezip(path, lambda it: it.pop("README.md")), "'README.md' is missing"),
    "other contents": (
        lambda path: rezip(path, lambda it: it.update({"README.md": it["README.md"][::-1]})),
        "'README.md' was altered",
    ),
    "another size": (lambda path: rezip(path, lambda it: it.update({"README.md": b"-"})), "its manifest says"),
    "a way out": (lambda path: rezip(path, lambda it: it.update({"../x": b""})), "called '../x'"),
    "compressed": (compressed, "is compressed"),
    "a member twice": (twice, "'README.md' is there twice"),
    "another format": (lambda path: rezip(path, lambda it: of_format(it, 2)), "format 2; this dstoolkit reads 1"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_an_altered_bundle_is_refused(packed, how):
    tamper, why = TAMPERED[how]
    tamper(packed)
    with pytest.raises(DataError, match=why):
        bundle.load(packed)


def test_every_single_byte_counts(packed):
    good, members = packed.read_bytes(), contents(packed)
    for at in np.random.default_rng(3).choice(len(good), 60, replace=False).tolist():
        packed.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        try:
            found = bundle.load(packed)
        except DstoolkitError:
            continue
        # Only fields of the zip that no content depends on (times, attributes) may differ
        assert contents(packed) == members
        assert found.vocabulary.size == 29


def test_what_is_no_bundle_is_said_to_be_none(tmp_path, toys):
    assert not bundle.is_bundle(toys / "exp")
    assert not bundle.is_bundle(toys / "exp" / "best.pt")
    with pytest.raises(DataError, match="no bundle; expected a file of 'dstoolkit model pack'"):
        bundle.load(toys / "exp" / "best.pt")
    with pytest.raises(DataError, match="no such file"):
        bundle.load(tmp_path / "none.dstk")


def test_a_missing_plugin_is_named_with_how_to_install_it(packed, monkeypatch):
    def change(members):
        manifest = json.loads(members["dstoolkit.json"])
        needs = {"distribution": "toy-enc", "version": "1.5", "needs": {"encoders": ["toyenc"]}}
        manifest["plugins"].append(needs)
        members["dstoolkit.json"] = json.dumps(manifest).encode()

    rezip(packed, change)
    wanted = r"needs encoder 'toyenc' of 'toy-enc' 1\.5; which is not installed; pip install 'toy-enc>=1\.5'"
    with pytest.raises(PluginError, match=wanted):
        bundle.load(packed)


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_there_and_back(packed, tmp_path, dstoolkit, scheme):
    url = f"file://{tmp_path}/store/" if scheme == "file" else "memory://store/"
    told = dstoolkit("model", "push", packed, url).output
    assert told == f"{url}toy.dstk: pushed\n"
    assert "is there already; pass --force" in dstoolkit("model", "push", packed, url, status=2).output
    dstoolkit("model", "push", packed, url, "--force")
    (tmp_path / "here").mkdir()
    dstoolkit("model", "pull", f"{url}toy.dstk", "--out", tmp_path / "here")
    dstoolkit("model", "pull", f"{url}toy.dstk", "--out", f"{tmp_path}/new/")
    for folder in ("here", "new"):
        assert (tmp_path / folder / "toy.dstk").read_bytes() == packed.read_bytes()
    assert (
        "is there already" in dstoolkit("model", "pull", f"{url}toy.dstk", "--out", tmp_path / "here", status=2).output
    )


def test_a_transfer_that_breaks_leaves_nothing(packed, tmp_path):
    def broken(size):
        raise KeyboardInterrupt

    for url in (f"file://{tmp_path}/store/", "memory://broken/"):
        with pytest.raises(KeyboardInterrupt):
            exchange.push(packed, url, progress=broken)
    assert list((tmp_path / "store").iterdir()) == []
    exchange.push(packed, f"file://{tmp_path}/store/")
    (tmp_path / "here").mkdir()
    with pytest.raises(KeyboardInterrupt):
        exchange.pull(f"file://{tmp_path}/store/toy.dstk", tmp_path / "here", progress=broken)
    assert list((tmp_path / "here").iterdir()) == []


def test_what_is_altered_on_the_way_never_appears(packed, tmp_path, dstoolkit):
    TAMPERED["other contents"][0](packed)
    told = dstoolkit("model", "pull", packed, "--out", tmp_path / "x.dstk", status=2).output
    assert "'README.md' was altered" in told
    assert not (tmp_path / "x.dstk").exists()


def test_addresses_that_lead_nowhere(packed, tmp_path, monkeypatch, dstoolkit):
    with pytest.raises(FetchError, match="not found"):
        exchange.pull(f"file://{tmp_path}/none.dstk", tmp_path / "x.dstk")
    assert "no storage 'hff://'; did you mean 'hf'?" in dstoolkit("model", "push", packed, "hff://a/b", status=2).output
    for name, package in (("s3fs", "s3"), ("huggingface_hub", "hf")):
        monkeypatch.setitem(sys.modules, name, None)
        told = dstoolkit("model", "push", packed, f"{package}://a/b/c", status=2).output
        assert "pip install 'dstoolkit[hub]'" in told
    assert exchange.shown("https://me:secret@host/x.dstk?sig=1") == "https://host/x.dstk"


def test_pulling_over_http(packed, tmp_path, dstoolkit):
    pytest.importorskip("aiohttp")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(packed.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        dstoolkit("model", "pull", f"{url}/toy.dstk", "--out", tmp_path / "x.dstk")
        told = dstoolkit("model", "pull", f"{url}/none.dstk", "--out", tmp_path / "y.dstk", status=2).output
        server.shutdown()
    assert (tmp_path / "x.dstk").read_bytes() == packed.read_bytes()
    assert f"{url}/none.dstk: not found" in told
    assert not (tmp_path / "y.dstk").exists()


def test_the_registry_knows_the_command():
    assert "model" in plugins.load().names("commands")
