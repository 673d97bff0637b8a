"""A store on loopback that speaks as much of S3 as pyarrow does, and fails as it is told to.

As a program, `python tests/loopback_store.py`, it prints its address and serves until it is killed.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import IO
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

KEY = "loopback-key"  # what AWS_ACCESS_KEY_ID has to be
_CODES = {301: "PermanentRedirect", 403: "AccessDenied", 500: "InternalError", 503: "SlowDown"}


class Store(ThreadingHTTPServer):
    """Objects in memory, by bucket and key; there is one bucket, `data`.

    What `fault` makes of a method and a path is the status of an error, "cut" for half a body, or "silent"; None for
    the right answer.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.requests: list[str] = []
        self.fault: Callable[[str, str], int | str | None] = lambda method, path: None
        endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": "loopback-secret"}
        self.environment = {"AWS_ENDPOINT_URL": endpoint, **keys}


@contextmanager
def serving() -> Iterator[Store]:
    """A store that serves."""
    with Store() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that the environment names."""
    with serving() as made:
        others = (
            "AWS_ENDPOINT_URL_S3",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "AWS_SESSION_TOKEN",
            "AWS_CA_BUNDLE",
        )
        proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
        for name in (*others, *proxies, *map(str.lower, proxies)):
            monkeypatch.delenv(name, raising=False)
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def log_message(self, *args: object) -> None:
        """Nothing."""

    def _answer(self) -> None:
        split, store, method = urlsplit(self.path), self.server, self.command
        path, query = unquote(split.path)[1:], dict(parse_qsl(split.query, keep_blank_values=True))
        bucket, _, key = path.partition("/")
        body = self._body()
        store.requests.append(f"{method} {path}")
        fault = store.fault(method, path)
        if fault == "silent":
            time.sleep(60)
        if isinstance(fault, int):
            self._fail(fault, _CODES[fault])
        elif f"Credential={KEY}/" not in self.headers.get("Authorization", ""):
            self._fail(403, "InvalidAccessKeyId")
        elif bucket != "data":
            self._fail(404, "NoSuchBucket")
        elif method == "PUT":
            where = store.uploads[query["uploadId"]] if "uploadId" in query else store.objects
            where[int(query["partNumber"]) if "uploadId" in query else path] = body
            self._send(200, headers={"ETag": _etag(body)})
        elif method == "POST" and "uploads" in query:
            store.uploads[name := f"upload-{len(store.requests)}"] = {}
            self._send(200, f"<Result><UploadId>{name}</UploadId></Result>")
        elif method == "POST":
            parts = store.uploads.pop(query["uploadId"])
            store.objects[path] = b"".join(parts[number] for number in sorted(parts))
            self._send(200, "<CompleteMultipartUploadResult/>")
        elif not key:
            self._send(200, self._listing(bucket, query))
        elif path not in store.objects:
            self._fail(404, "NoSuchKey")
        else:
            self._content(store.objects[path], cut=fault == "cut" and method == "GET")

    do_GET = do_HEAD = do_PUT = do_POST = _answer  # noqa: N815

    def _body(self) -> bytes:
        """The body, out of the chunks of HTTP and out of those of S3, which end in checksums."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            body = _chunks(self.rfile)
            self.rfile.readline()
        return _chunks(BytesIO(body)) if "aws-chunked" in self.headers.get("Content-Encoding", "") else body

    def _content(self, content: bytes, *, cut: bool) -> None:
        headers, status, part = (
            {"ETag": _etag(content), "Last-Modified": formatdate(0, usegmt=True)},
            200,
            content,
        )
        if wanted := self.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            status, part = 206, content[int(first) : int(last or len(content)) + 1]
            headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
        self._send(status, part, headers, cut=cut)

    def _listing(self, bucket: str, query: dict[str, str]) -> str:
        prefix, found, folders = query.get("prefix", ""), "", dict[str, str]()
        for path, content in sorted(self.server.objects.items()):
            key = path.partition("/")[2]
            inside, slash, _ = key.removeprefix(prefix).partition("/")
            if key.startswith(prefix) and slash and query.get("delimiter"):
                folders[inside] = (
                    f"<CommonPrefixes><Prefix>{escape(prefix + inside)}/</Prefix></CommonPrefixes>"
                )
            elif key.startswith(prefix):
                found += f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size></Contents>"
        found += "".join(folders.values())
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"

    def _fail(self, status: int, code: str) -> None:
        self._send(status, f"<Error><Code>{code}</Code><Message>{code} of {KEY}</Message></Error>")

    def _send(
        self,
        status: int,
        body: bytes | str = b"",
        headers: dict[str, str] | None = None,
        *,
        cut: bool = False,
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut


def _chunks(file: IO[bytes]) -> bytes:
    """Chunks up to an empty one: SIZE[;signature], so many bytes."""
    found = BytesIO()
    while size := int(file.readline().partition(b";")[0], 16):
        found.write(file.read(size))
        file.readline()
    return found.getvalue()


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


if __name__ == "__main__":
    with Store() as made:
        print(made.environment["AWS_ENDPOINT_URL"], flush=True)
        made.serve_forever()
