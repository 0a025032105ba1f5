"""The hook ``slack``, against a server on the loopback that answers as Slack does."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from dstoolkit_kur import hooks, slack
from dstoolkit_kur.node import Mark, Node

from dstoolkit.data import datadir
from dstoolkit.errors import ConfigError
from dstoolkit.interfaces import Utterance

CHANNEL = "C0NF841BK"
HISTORY = [{"epoch": at, "train_loss": 4.0 - at, "dev_loss": 6.0 - 2 * at} for at in (1, 2)]


class Handler(BaseHTTPRequestHandler):
    """A webhook at ``/hook``, and the three steps of an upload; remembers ``(path, token, body)`` of each."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers.get("Authorization"), body))
        answers = {
            "/api/files.getUploadURLExternal": {"ok": True, "upload_url": f"{self.server.url}/place", "file_id": "F7"},
            "/api/files.completeUploadExternal": {"ok": True},
            **self.server.answers,
        }
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()
        self.wfile.write(json.dumps(answers.get(self.path, "ok")).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked, running.answers, running.url = [], {}, f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(slack, "API", f"{running.url}/api/")
        yield running
        running.shutdown()


@pytest.fixture
def made(tmp_path):
    """``made("validate", url=...)``: the hook of a section of ``k.yml``."""

    def make(section="train", data=None, **options):
        node = {"slack": Node({key: Node(each, Mark("x")) for key, each in options.items()}, Mark("x"))}
        listed = Node({"hooks": Node([Node(node, Mark(str(tmp_path / "k.yml"), 3))], Mark("x"))}, Mark("x"))
        (hook,) = hooks.read(listed.moved((section,)), section, data)
        return hook

    return make


def posted(server):
    return [json.loads(body) for path, _, body in server.asked if path == "/hook"]


def uploads(server):
    """What was uploaded: name, content, title and comment of each file, which the three requests agree on."""
    found, steps = [], [each for each in server.asked if each[0] != "/hook"]
    for first, second, third in zip(*[iter(steps)] * 3, strict=True):
        asked, shared = ({key: one[0] for key, one in parse_qs(each[2].decode()).items()} for each in (first, third))
        assert [each[0] for each in (first, second, third)] == [
            "/api/files.getUploadURLExternal",
            "/place",
            "/api/files.completeUploadExternal",
        ]
        assert (first[1], second[1], third[1]) == ("Bearer secret", None, "Bearer secret")  # no token for the address
        assert int(asked["length"]) == len(second[2])
        assert shared["channel_id"] == CHANNEL
        (file,) = json.loads(shared["files"])
        assert file["id"] == "F7"
        found.append((asked["filename"], second[2], file["title"], shared.get("initial_comment", "")))
    return found


def test_messages(server, made):
    hook = made(url=f"{server.url}/hook", channel="#kur", title="one", icon="owl")
    hook.started()
    hook.epoch(HISTORY, 4)
    hook.ended(HISTORY)
    hook.predicted({"u2": ("a", "b"), "u1": ("c", "d")})
    hook.epoch(HISTORY, 0)  # of no number
    *found, endless = posted(server)
    assert endless["text"].startswith("one: Finished epoch 2. More information: train_loss = 2.0")
    assert found[0] == {"channel": "#kur", "username": "kur", "icon_emoji": ":owl:", "text": "one: Started training."}
    assert found[1]["text"].startswith("one: Finished epoch 2 of 4. More information: train_loss = 2.0, dev_loss = 2.0")
    assert [each["text"] for each in found[2:]] == ["one: Training has ended.", 'one: Truth = "a", Prediction = "b"']


def test_user_and_no_title(server, made):
    made(url=f"{server.url}/hook", channel="#kur", user="ada").started()
    expected = {"channel": "#kur", "username": "ada", "icon_emoji": ":dragon:", "text": "Started training."}
    assert posted(server) == [expected]


def test_extra_files_go_out_after_each_epoch_and_validation_once_they_are_there(server, made, tmp_path):
    options = {
        "token": "secret",
        "channel": CHANNEL,
        "extra_files": [Node("loss.png", Mark("x")), Node("b/c", Mark("x"))],
    }
    hook = made(**options, title="one")
    hook.started()
    hook.epoch(HISTORY, 4)
    assert server.asked == []  # neither is there, and without url there are no messages
    (tmp_path / "loss.png").write_bytes(b"\x89PNG")
    hook.epoch(HISTORY, 4)
    assert uploads(server) == [("loss.png", b"\x89PNG", "one", "")]
    (tmp_path / "b").mkdir()
    (tmp_path / "b/c").write_bytes(b"")
    made("validate", **options).predicted({})
    assert [each[0] for each in uploads(server)] == ["loss.png", "loss.png", "c"]


def test_with_a_token_predictions_bring_their_audio(server, made, tmp_path):
    (tmp_path / "u2.flac").write_bytes(b"fLaC")
    utterances = [Utterance(name, str(tmp_path / f"{name}.flac"), name, "a") for name in ("u1", "u2")]
    (tmp_path / "dev").mkdir()
    datadir.write(tmp_path / "dev", utterances, durations={"u1": 1.0, "u2": 1.0})
    hook = made("test", tmp_path / "dev", token="secret", channel=CHANNEL, url=f"{server.url}/hook")
    hook.predicted({"u2": ("a", "b"), "u1": ("c", "d")})
    assert uploads(server) == [("u2.flac", b"fLaC", "u2.flac", 'Truth = "a", Prediction = "b"')]
    assert posted(server) == []


@pytest.mark.parametrize(
    ("options", "path", "answer", "told"),
    [
        ({"url": "{}/broken"}, "", None, "the message did not arrive in"),
        ({"url": "http://127.0.0.1:1/secret"}, "", None, "the message did not arrive in"),
        ({"token": "secret"}, "files.getUploadURLExternal", {"ok": False, "error": "invalid_auth"}, "invalid_auth"),
        ({"token": "secret"}, "files.getUploadURLExternal", {"ok": True}, "x' did not arrive in"),
        (
            {"token": "secret"},
            "files.getUploadURLExternal",
            {"ok": True, "upload_url": "file:///etc/passwd", "file_id": "F"},
            "no address to upload to",
        ),
        (
            {"token": "secret"},
            "files.completeUploadExternal",
            {"ok": False, "error": "not_in_channel"},
            "not_in_channel",
        ),
        ({"token": "secret"}, "files.completeUploadExternal", "odd", "unknown"),
    ],
)
def test_what_does_not_arrive_is_a_warning_without_secrets(server, made, tmp_path, caplog, options, path, answer, told):
    (tmp_path / "x").write_bytes(b"x")
    server.answers = {f"/api/{path}": answer}
    files = {"extra_files": "x"} if "token" in options else {}
    hook = made(channel=CHANNEL, **{key: each.format(server.url) for key, each in options.items()}, **files)
    hook.epoch(HISTORY, 2)
    (record,) = caplog.records
    assert told in record.getMessage()
    assert "secret" not in caplog.text
    assert "broken" not in caplog.text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"url": "https://x"}, "no channel"),
        ({"channel": "#kur"}, "neither url nor token"),
        ({"channel": "#kur", "url": "file:///etc"}, "no url of a webhook"),
        ({"channel": "#kur", "url": "https://x", "extra_files": "a"}, "extra_files without token"),
        ({"channel": "#kur", "token": "t"}, "channel '#kur' with token; Slack takes files by a channel's id"),
        ({"channel": "#kur", "url": "https://x", "titel": "a"}, "titel: no such option; did you mean 'title'?"),
    ],
)
def test_refused(made, options, told):
    with pytest.raises(ConfigError) as error:
        made(**options)
    assert told in str(error.value)
