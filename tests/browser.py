"""Headless Chromium for tests, through Debian's chromedriver. Nothing is downloaded, no other machine asked."""

from __future__ import annotations

import json
import os
import shutil
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # root's tests in a container have no user namespaces
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1200,900",
)
OURS = {"file", "data", "blob", "chrome"}  # schemes of what a page holds itself, and of Chromium's own first page


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """A selenium driver with ``profile``, an empty folder, as its user's; skips the test where there is none."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("no chromium or chromedriver here: apt-get install chromium chromium-driver")
    os.environ["SE_AVOID_STATS"] = "true"
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    try:
        yield started
    finally:
        started.quit()


def console(browser: Any) -> list[str]:
    """What the page has written to the console since this was last asked; all that Chromium complains of is there."""
    return [each["message"] for each in browser.get_log("browser")]


def requests(browser: Any) -> list[str]:
    """The addresses that the page has asked for since this was last asked, what it holds itself left out."""
    messages = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    sent = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    return [url for url in sent if urllib.parse.urlsplit(url).scheme not in OURS]
