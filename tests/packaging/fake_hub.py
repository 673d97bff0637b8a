"""A Hugging Face Hub on loopback that takes what `huggingface_hub` sends: repositories, files, commits."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FakeHub:
    """What it was sent: files by path in the repository, headers, and what it is to refuse."""

    url: str = ""
    token: str = "hf_secret_of_a_test"
    refuses: int | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    created: list[dict[str, Any]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def answer(self, path: str, body: bytes) -> Any:
        """What a request is answered, as JSON."""
        if path == "/api/repos/create":
            self.created.append(json.loads(body))
            return {"url": f"{self.url}/acme/reviews"}
        if path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            mode = {True: "lfs", False: "regular"}
            return {
                "files": [
                    {
                        "path": one["path"],
                        "uploadMode": mode[one["path"].endswith(".onnx")],
                        "shouldIgnore": False,
                    }
                    for one in files
                ]
            }
        if path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            for one in objects:
                one["actions"] = {"upload": {"href": f"{self.url}/large/{one['oid']}"}}
            return {"transfer": "basic", "objects": objects}
        if path.endswith("/commit/main"):
            return self._commit([json.loads(line) for line in body.splitlines()])
        return {"errors": [], "warnings": []}  # of a card that is asked about

    def _commit(self, lines: list[dict[str, Any]]) -> Any:
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.messages.append(value["summary"])
            elif line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.files[value["path"]] = self.large[value["oid"]]
        return {"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.url}/acme/reviews/commit/0"}


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """One that runs."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            given = self.headers.get("authorization")
            if hub.refuses or given != f"Bearer {hub.token}":
                text = json.dumps({"error": f"not with {given}"}).encode()
                return self._send(hub.refuses or 401, text)
            return self._send(200, json.dumps(hub.answer(self.path, body)).encode())

        def do_PUT(self) -> None:
            name = self.path.rpartition("/")[2]
            hub.large[name] = self.rfile.read(int(self.headers["content-length"]))
            self._send(200, b"")

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
