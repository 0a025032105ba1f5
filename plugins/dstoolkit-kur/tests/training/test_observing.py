"""What is written, drawn and sent while a training goes on."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
from dstoolkit_kur import hooks, observing, plots, slack
from dstoolkit_kur.observing import Best, Latest, Log, Watch

HISTORY = [
    {"epoch": at + 1, "step": 10 * (at + 1), "seconds": 5.0, "train_loss": train, "dev_loss": dev}
    for at, (train, dev) in enumerate([(3.0, 2.0), (2.0, 4.0), (None, 1.0), (1.0, 1.5)])
]


def follow(tmp_path, watch):
    """Files saved after each epoch."""
    folder = tmp_path / "exp"
    folder.mkdir()
    saved = []
    run = SimpleNamespace(folder=folder, predictions={"u": ("a", "b")}, epoch=0)
    with observing.watching(folder, watch):
        for epoch in range(1, len(HISTORY) + 1):
            lines = "".join(json.dumps(each) + "\n" for each in HISTORY[:epoch])
            (folder / "metrics.jsonl").write_text(lines)
            run.epoch, run.save = epoch, lambda path, at=epoch: saved.append((at, path.name))
            observing.epoch_end(run)
    observing.epoch_end(run)  # nobody watches any more
    return saved


def test_weights_are_kept_by_the_loss_that_counts(tmp_path):
    watch = Watch([Best(tmp_path / "v", "dev_loss"), Best(tmp_path / "t", "train_loss"), Latest(tmp_path / "w/l", 2)])
    expected = [(1, "v"), (1, "t"), (2, "t"), (2, "l"), (3, "v"), (4, "t"), (4, "l")]
    assert follow(tmp_path, watch) == expected


def test_the_log_is_a_copy_of_the_metrics(tmp_path):
    follow(tmp_path, Watch([Log(tmp_path / "log")]))
    assert (tmp_path / "log/metrics.jsonl").read_bytes() == (tmp_path / "exp/metrics.jsonl").read_bytes()


def test_batches_per_second_and_time():
    assert plots.seconds(HISTORY) == [5, 10, 15, 20]
    assert plots.batches_per_second(HISTORY) == [2, 2, 2, 2]


def test_plots_are_images(tmp_path):
    options = hooks.PlotOptions(str(tmp_path / "a.png"), str(tmp_path / "b.svg"), str(tmp_path / "c"))
    node = SimpleNamespace(mark=SimpleNamespace(file=str(tmp_path / "k.yml")))
    hooks.Plot(options, node).epoch(HISTORY, 4)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "c").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def server():
    """A loopback server that keeps what is posted."""
    posted = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_port}", posted
    found.shutdown()
    found.server_close()


def test_slack_posts_json(server):
    url, posted = server
    hook = hooks.Slack(slack.Slack("#kur", url, title="one", icon="owl"), None)
    hook.started()
    hook.epoch(HISTORY[:2], 4)
    hook.ended(HISTORY)
    hook.predicted({"u": ("a", "b")})
    assert posted[0] == {"channel": "#kur", "username": "kur", "icon_emoji": ":owl:", "text": "one: Started training."}
    assert posted[1]["text"].startswith(
        "one: Finished epoch 2 of 4. More information: train_loss = 2.0, dev_loss = 4.0"
    )
    assert [each["text"] for each in posted[2:]] == ["one: Training has ended.", 'one: Truth = "a", Prediction = "b"']


def test_slack_that_fails_is_a_warning_without_the_address(server, caplog):
    url, _ = server
    slack.post(slack.Slack("#kur", f"{url}/broken"), "x")
    slack.post(slack.Slack("#kur", "http://127.0.0.1:1/secret"), "x")
    assert len(caplog.records) == 2
    assert "broken" not in caplog.text
    assert "secret" not in caplog.text
