"""Takes the picture of the page for the README: `PYTHONPATH=tests python tests/server/picture.py BUNDLE OUTPUT`."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from serving import serving
from test_page import CHROMIUM, Opened

TEXT = "My flight was cancelled and the gate agent was rude, but the crew on the next plane was great."


def take(bundle: Path, output: Path) -> None:
    """A classification with the words that matter, as wide as a README shows it."""
    with serving(f"tweets={bundle}") as running, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        window = {"width": 760, "height": 400}
        page = Opened(browser, running.url, viewport=window, device_scale_factor=2).page
        page.get_by_label("Text").fill(TEXT)
        for _ in range(2):  # the second answer takes as long as one does
            page.get_by_role("button", name="Ask").click()
            page.locator("#facts", has_text="ms").wait_for()
            page.wait_for_timeout(600)
        page.get_by_role("button", name="Which words matter?").click()
        page.wait_for_selector("#reasons .word")
        page.wait_for_timeout(400)
        page.screenshot(path=str(output), full_page=True)
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
