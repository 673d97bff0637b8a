"""A version is loaded and tested in a process of its own first; what never ends holds up nothing."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from heavy_graphs import heavy_bundle
from serving import process, serving

from ftcore_runtime import Pipeline
from ftcore_runtime.errors import BundleError
from ftcore_server.settings import Loading
from ftcore_server.trial import _outcome, try_bundle

QUICK = Loading(seconds=6.0)


async def tried(path: Path, loading: Loading) -> str:
    return await try_bundle(path, None, 1, loading)


@pytest.mark.parametrize("kind", ["loading", "answering"])
def test_reload_onto_a_graph_that_never_ends(tiny_bundle: Path, tmp_path: Path, kind: str) -> None:
    """It is refused within its limit, and the old version answers all the while."""
    link = tmp_path / "current"
    link.symlink_to(tiny_bundle)
    endless = heavy_bundle(tiny_bundle, tmp_path / "endless", kind)
    with serving(link, loading=QUICK) as server:
        before = server.ask("good").json()["version"]
        link.unlink()
        link.symlink_to(endless)
        reloading = threading.Thread(target=server.reload)
        began = time.monotonic()
        reloading.start()
        slowest, answered = 0.0, 0
        while reloading.is_alive():
            asked = time.monotonic()
            answer = server.ask("good")
            slowest, answered = max(slowest, time.monotonic() - asked), answered + 1
            assert (answer.status_code, answer.json()["version"]) == (200, before)
            time.sleep(0.05)
        taken = time.monotonic() - began
        assert server.metric("ftcore_reloads_total", result="failed") == 1
    assert QUICK.seconds <= taken < QUICK.seconds + 20  # on a busy machine
    assert answered >= 5
    assert slowest < QUICK.seconds, "no answer waited for the trial"


def test_what_a_trial_refuses(tiny_bundle: Path, tmp_path: Path) -> None:
    import asyncio

    big = heavy_bundle(tiny_bundle, tmp_path / "big", "memory")
    with pytest.raises(BundleError, match="the graph failed: there is not enough memory for it"):
        asyncio.run(tried(big, Loading()))
    with pytest.raises(BundleError, match=r"within 0\.01 s") as late:
        asyncio.run(tried(tiny_bundle, Loading(seconds=0.01)))
    assert "--load-timeout" in str(late.value)
    with pytest.raises(BundleError, match="no bundle folder"):
        asyncio.run(tried(tmp_path / "none", Loading()))
    assert asyncio.run(tried(tiny_bundle, Loading())) == Pipeline.load(tiny_bundle).manifest.fingerprint


def test_a_trial_that_dies_says_how(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"ended the process .* \(SIGSEGV\)") as died:
        _outcome(b"", -signal.SIGSEGV, tmp_path, 1000)
    assert "1,000 bytes (--load-memory)" in str(died.value)
    with pytest.raises(BundleError, match=r"\(exit code 1\)"):
        _outcome(b"half a li", 1, tmp_path, 1000)


def test_the_end_does_not_wait_for_a_trial(tiny_bundle: Path, tmp_path: Path) -> None:
    endless = heavy_bundle(tiny_bundle, tmp_path / "endless", "loading")
    file = tmp_path / "models.json"
    file.write_text(json.dumps({"models": {"tiny": {"versions": {"1": str(tiny_bundle)}}}}))
    with process("--models", file) as (server, _):
        file.write_text(json.dumps({"models": {"tiny": {"versions": {"2": str(endless)}}}}))
        server.send_signal(signal.SIGHUP)
        trials = wait_for_children(server.pid)
        server.terminate()
        assert server.wait(10) == 0
    assert not any(alive(pid) for pid in trials)


def test_the_end_does_not_wait_for_a_graph_that_answers_for_ever(tiny_bundle: Path, tmp_path: Path) -> None:
    """It passes its self-test, since only longer texts take so long: one operator of it, minutes."""
    import httpx

    heavy = heavy_bundle(tiny_bundle, tmp_path / "heavy", "long texts")
    with process(f"tiny={heavy}", "--timeout", "1", "--grace", "1") as (server, url):
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            path = "/v1/models/tiny:predict"
            assert client.post(path, json={"inputs": ["good food"]}).status_code == 200
            assert client.post(path, json={"inputs": ["good " * 60]}).status_code == 504
        server.terminate()
        began = time.monotonic()
        server.wait(20)
        assert time.monotonic() - began < 15


def wait_for_children(pid: int) -> list[int]:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        if found := [int(one) for task in tasks for one in (task / "children").read_text().split()]:
            return found
        time.sleep(0.02)
    raise AssertionError("no trial was started")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
