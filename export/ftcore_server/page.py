"""The page at `/`: one HTML file with its style and script inside, which asks nobody but this server."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources

from starlette.responses import HTMLResponse


@cache
def _read() -> tuple[str, str]:
    """The page and its content security policy, which names the style and the script by their hashes."""
    html = (resources.files("ftcore_server") / "page.html").read_text(encoding="utf-8")
    hashes = {tag: _hash(html, tag) for tag in ("style", "script")}
    policy = (
        f"default-src 'none'; style-src {hashes['style']}; script-src {hashes['script']}; connect-src 'self';"
        " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return html, policy


def _hash(html: str, tag: str) -> str:
    match = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    assert match is not None
    return f"'sha256-{base64.b64encode(hashlib.sha256(match[1].encode()).digest()).decode()}'"


def page() -> HTMLResponse:
    """The page, with headers that let it do nothing but what it needs."""
    html, policy = _read()
    return HTMLResponse(html, headers={"content-security-policy": policy, "referrer-policy": "no-referrer"})
