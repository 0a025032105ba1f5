"""The hook ``slack``: messages to a channel, by Slack's incoming webhooks, and files, by its web API.

A file takes three requests (https://docs.slack.dev/messaging/working-with-files): one for an address, one that brings
the file there, one that shares it. Kur's single one, ``files.upload``, is no more since November 2025.

What goes out is what the hook says and nothing else. What does not arrive is a warning, never an error, and names
neither the webhook's address nor the token, which are secrets.
"""

from __future__ import annotations

import http.client
import json
import logging
import re
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

API = "https://slack.com/api/"
TIMEOUT = 10  # seconds without an answer
SCHEMES = ("https://", "http://")
FAILURES = (URLError, OSError, ValueError, http.client.HTTPException)  # of a request and its answer
CHANNEL = re.compile(r"[CDG][A-Z0-9]{7,}")  # a channel's id, which files are shared by

log = logging.getLogger("dstoolkit")


class Refused(Exception):
    """Slack's own word for what it does not do."""


@dataclass(frozen=True)
class Slack:
    """channel: such as ``#kur``; with a token its id. url: the webhook's. user, icon: who posts, and the emoji beside.
    title: goes before each message, and names the files. token: of the web API, to send files. extra_files: these,
    beside the audio of predictions.
    """

    channel: str = ""
    url: str | None = None
    user: str | None = None
    icon: str | None = None
    title: str | None = None
    token: str | None = None
    extra_files: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not self.channel:
            raise ValueError("no channel; expected its name, such as '#kur', or its id")
        if self.url is None and self.token is None:
            raise ValueError("neither url nor token; expected a webhook's url for messages, or a token for files")
        if self.url is not None and not self.url.startswith(SCHEMES):
            raise ValueError("no url of a webhook; expected one that begins with 'https://'")
        if self.extra_files and self.token is None:
            raise ValueError("extra_files without token; expected one that may upload files")
        if self.token is not None and not CHANNEL.fullmatch(self.channel):
            raise ValueError(
                f"channel {self.channel!r} with token; Slack takes files by a channel's id, as 'C0NF841BK'"
            )

    @property
    def files(self) -> tuple[str, ...]:
        return (self.extra_files,) if isinstance(self.extra_files, str) else self.extra_files or ()

    def message(self, text: str) -> bytes:
        """JSON."""
        said = f"{self.title}: {text}" if self.title else text
        values = {
            "channel": self.channel,
            "username": self.user or "kur",
            "icon_emoji": f":{self.icon or 'dragon'}:",
            "text": said,
        }
        return json.dumps(values).encode()


def post(to: Slack, text: str) -> None:
    """Send ``text``, where there is a webhook."""
    if to.url is None:
        return
    try:
        send(to.url, to.message(text), {"Content-Type": "application/json"})
    except FAILURES as error:
        warn(to, "the message", error)


def upload(to: Slack, path: Path, comment: str = "") -> None:
    """Share the file ``path``, with ``comment``; nothing where there is no token, or no such file (yet)."""
    if to.token is None or not path.is_file():
        log.debug("slack: no file '%s'", path)
        return
    try:
        place = call(to, "files.getUploadURLExternal", filename=path.name, length=path.stat().st_size)
        if not str(place["upload_url"]).startswith(SCHEMES):
            raise Refused("no address to upload to")
        send(place["upload_url"], path.read_bytes(), {"Content-Type": "application/octet-stream"})
        shared = json.dumps([{"id": place["file_id"], "title": to.title or path.name}])
        told = {"initial_comment": comment} if comment else {}
        call(to, "files.completeUploadExternal", files=shared, channel_id=to.channel, **told)
    except (*FAILURES, KeyError, Refused) as error:
        warn(to, f"'{path}'", error)


def call(to: Slack, method: str, **values: Any) -> dict[str, Any]:
    """A method of the web API. Raises Refused, and what is in ``FAILURES``."""
    answer = json.loads(
        send(API + method, urllib.parse.urlencode(values).encode(), {"Authorization": f"Bearer {to.token}"})
    )
    if not isinstance(answer, dict) or not answer.get("ok"):
        raise Refused(answer.get("error", "unknown") if isinstance(answer, dict) else "unknown")
    return answer


def send(url: str, content: bytes, headers: dict[str, str]) -> bytes:
    """What is answered."""
    request = urllib.request.Request(url, data=content, headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        return bytes(answer.read())


def warn(to: Slack, what: str, error: Exception) -> None:
    log.warning("slack: %s did not arrive in '%s': %s", what, to.channel, getattr(error, "reason", error))
