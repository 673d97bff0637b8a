"""`ftcore serve` as a process: signals, exit codes, and what it imports."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import as_before, clients, events, process, wait_until

from ftcore.cli import main
from ftcore_server.process import Ended
from ftcore_server.settings import Batching, Loading, Settings


def test_sigterm_drains_and_exits_0(tiny_bundle: Path) -> None:
    """Clients that ask on and on get an answer to every request that was accepted."""
    answered: list[int] = []
    broken: list[str] = []
    with process(tiny_bundle, "--drain", "2") as (started, url):
        stop = threading.Event()

        def load(number: int) -> None:
            with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
                while not stop.is_set():
                    name = f"{number}-{len(answered)}-{time.monotonic_ns()}"
                    body = {"inputs": ["good food"]}
                    try:
                        response = client.post(
                            "/v1/models/tiny:predict", json=body, headers={"x-request-id": name}
                        )
                        answered.append(response.status_code)
                    except httpx.ConnectError:
                        return  # refused: it was never accepted
                    except httpx.TransportError:
                        broken.append(name)

        clients = [threading.Thread(target=load, args=(number,)) for number in range(3)]
        for client in clients:
            client.start()
        wait_until(lambda: len(answered) > 20)
        started.send_signal(signal.SIGTERM)
        # Still there, and not ready; a connection that is refused would raise.
        wait_until(lambda: httpx.get(f"{url}/readyz", trust_env=False).status_code == 503)
        rest = events(started)
        assert started.wait(20) == 0
        stop.set()
        for client in clients:
            client.join(20)
    assert set(answered) == {200}
    accepted = {line["request_id"] for line in rest if line["event"] == "request"}
    assert accepted
    assert not accepted & set(broken), "what the server took up, the client got"
    assert rest[-1]["event"] == "stopped"


def test_sigterm_resets_nobody(tiny_bundle: Path) -> None:
    """Clients that connect anew for each request are answered, or refused: never reset."""
    with process(tiny_bundle) as (started, url), clients(url, 8) as heard:
        wait_until(lambda: len(heard) > 20)
        started.send_signal(signal.SIGTERM)
        rest = events(started)
        assert started.wait(20) == 0
    assert set(heard) == {b"HTTP/1.1 200"}
    assert rest[-1]["event"] == "stopped"


def test_sighup_reloads(tiny_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text(json.dumps({"models": {"tiny": {"versions": {"1": str(tiny_bundle)}}}}))
    with process("--models", file) as (started, url):
        file.write_text(json.dumps({"models": {"tiny": {"versions": {"2": str(tiny_bundle)}}}}))
        started.send_signal(signal.SIGHUP)

        def version() -> str:
            found: str = httpx.get(f"{url}/v1/models/tiny", trust_env=False).json()["default"]
            return found

        wait_until(lambda: version() == "2")
        file.write_text("{")
        started.send_signal(signal.SIGHUP)
        started.send_signal(signal.SIGINT)
        assert started.wait(20) == 0
        assert "reload_failed" in [line["event"] for line in events(started)]


def test_the_token_comes_from_the_environment_or_a_file(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    for arguments, environment in ((["--token-file", tmp_path / "token"], {}), ([], {"FTCORE_TOKEN": "abc"})):
        with process(tiny_bundle, *arguments, **environment) as (_, url):
            assert httpx.get(f"{url}/v1/models", trust_env=False).status_code == 401
            named = {"authorization": "Bearer abc"}
            assert httpx.get(f"{url}/v1/models", headers=named, trust_env=False).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give bundles, or --models FILE"),
        (["x", "--models", "y"], "give bundles, or --models FILE"),
        (["none"], "cannot be read"),
        (["BUNDLE", "--variant", "int4"], "has no variant"),
        (["BUNDLE", "--canary", "tiny@9=0.1"], "has no version 9"),
        (["BUNDLE", "--canary", "none@9=0.1"], "no bundle has this name"),
        (["a@1=BUNDLE", "a@1=BUNDLE"], "two bundles are version 1"),
        (["a@1=BUNDLE", "a@2=WRITER"], "are no versions of one model"),
        (["BUNDLE", "--token-file", "none"], "cannot be read"),
        (["BUNDLE", "--token-file", "EMPTY"], "holds no token"),
        (["BUNDLE", "--workers", "0"], "must be at least 1"),
        (["BUNDLE", "--batch-texts", "0"], "must be at least 1"),
        (["BUNDLE", "--max-response", "0"], "must be at least 1"),
        (
            ["BUNDLE", "--max-memory", "1000"],
            "--max-memory: must hold a body and an answer, 18,874,368 bytes",
        ),
        (["BUNDLE", "--timeout", "0"], "must be above 0"),
        (["BUNDLE", "--drain", "nan"], "must be at least 0"),
        (["BUNDLE", "--port", "70000"], "from 0 to 65535"),
        (["BUNDLE", "--port", "TAKEN"], "cannot be listened at"),
        (["--models", "none.json"], "cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_served_is_exit_2(
    arguments: list[str],
    says: str,
    tiny_bundle: Path,
    generating_bundle: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").write_text(" \n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        real = {
            "BUNDLE": str(tiny_bundle),
            "a@1=BUNDLE": f"a@1={tiny_bundle}",
            "a@2=WRITER": f"a@2={generating_bundle}",
            "EMPTY": str(tmp_path / "empty"),
            "TAKEN": str(taken.getsockname()[1]),
        }
        given = [real.get(word, word) for word in arguments]
        if "--port" not in given:
            given += ["--port", "0"]
        with as_before():
            assert main(["serve", *given]) == 2
    assert says in capfd.readouterr().err


def test_options_of_batches_reach_the_server(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Settings] = []

    def started(settings: Settings, read: Any) -> Ended:
        asked.append(settings)
        return Ended(answered=True, abandoned=False)

    monkeypatch.setattr("ftcore_server.process.serve", started)
    options = {"--batch-tokens": 64, "--batch-texts": 3, "--batch-delay": 0.5, "--queue": 9, "--workers": 2}
    options |= {"--max-body": 4000, "--max-response": 5000, "--max-memory": 9000, "--max-inputs": 300}
    options |= {"--load-timeout": 7, "--load-memory": 99}
    with as_before():
        assert main(["serve", str(tiny_bundle), *map(str, chain.from_iterable(options.items()))]) == 0
    assert asked[0].batching == Batching(tokens=64, texts=3, delay_seconds=0.5, queue=9, workers=2)
    limits = asked[0].limits
    assert (limits.body_bytes, limits.decompressed_bytes, limits.inputs) == (4000, 8000, 300)
    assert (limits.response_bytes, limits.memory_bytes, limits.json_parts) == (5000, 9000, 9600)
    assert asked[0].loading == Loading(seconds=7, memory_bytes=99)


BARRED = """
import sys

class Barred:
    names = {"torch", "transformers", "datasets", "sklearn", "onnx", "onnxscript", "ftcore"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names or name.startswith("ftcore_export"):
            raise ImportError(f"barred: {name}")

sys.meta_path.insert(0, Barred())
import ftcore_server.process
assert not Barred.names & {name.partition(".")[0] for name in sys.modules}
"""


def test_the_server_needs_nothing_above_the_runtime() -> None:
    done = subprocess.run([sys.executable, "-c", BARRED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
