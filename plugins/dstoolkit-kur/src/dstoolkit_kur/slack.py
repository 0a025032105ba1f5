"""The hook ``slack``: a message to a channel, by Slack's incoming webhooks.

What goes out is what the hook says and nothing else. A message that does not arrive is a warning, never an error.
"""

from __future__ import annotations

import json
import logging
import urllib.request
from dataclasses import dataclass
from urllib.error import URLError

TIMEOUT = 10  # seconds
SCHEMES = ("https://", "http://")

log = logging.getLogger("dstoolkit")


@dataclass(frozen=True)
class Slack:
    """channel: such as ``#kur``. url: the webhook's. user, icon: who posts, and the emoji beside. title: goes before
    each message. token, extra_files: Kur's uploads of files, which are not supported yet."""

    channel: str = ""
    url: str = ""
    user: str | None = None
    icon: str | None = None
    title: str | None = None
    token: str | None = None
    extra_files: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.token is not None or self.extra_files is not None:
            raise ValueError("uploads of files ('token', 'extra_files') are not supported yet; expected 'url'")
        if not self.channel:
            raise ValueError("no channel; expected its name, such as '#kur'")
        if not self.url.startswith(SCHEMES):
            raise ValueError("no url of a webhook; expected one that begins with 'https://'")

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
    """Send ``text``; a warning where it does not arrive, without the webhook's address, which is a secret."""
    request = urllib.request.Request(
        to.url, data=to.message(text), headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT):
            pass
    except (URLError, OSError, ValueError) as error:
        log.warning("slack: the message to '%s' did not arrive: %s", to.channel, getattr(error, "reason", error))
