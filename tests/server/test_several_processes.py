"""`ftcore serve --processes`: several workers at one address, which share models, metrics, reloads and the end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from serving import clients, events, process, wait_until

from ftcore_runtime.errors import UserError
from ftcore_server.deployment import Deployment
from ftcore_server.settings import Settings
from ftcore_server.supervisor import serve_with_processes


def serve(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, where it ends by itself."""
    command = [sys.executable, "-m", "ftcore", "serve", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )


def get(url: str) -> httpx.Response:
    """Over a connection of its own, so that the kernel chooses the worker anew."""
    return httpx.get(url, trust_env=False, timeout=20)


def children(process_id: int) -> list[int]:
    """Processes that it has started and that live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == process_id and state != "Z":
                found.append(int(entry.name))
    return sorted(found)


def alive(process_id: int) -> bool:
    try:
        return (Path("/proc") / str(process_id) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def workers(started: subprocess.Popen[str]) -> tuple[int, list[int]]:
    """The process that has loaded the models, and those that answer."""
    (group,) = children(started.pid)
    return group, children(group)


def test_all_of_them_answer_and_any_of_them_shows_the_metrics_of_all(tiny_bundle: Path) -> None:
    with process(tiny_bundle, "--processes", "2") as (started, url):
        assert len(workers(started)[1]) == 2
        for _ in range(40):
            many = {"inputs": [f"good food {number}" for number in range(100)]}
            answer = httpx.post(f"{url}/v1/models/tiny:predict", json=many, trust_env=False, timeout=20)
            assert len(answer.json()["predictions"]) == 100
        for _ in range(8):
            text = get(f"{url}/metrics").text
            counted = dict(
                re.findall(
                    r'ftcore_requests_total\{model="tiny",process="(\d)",route="predict",status="200"\} (\S+)',
                    text,
                )
            )
            assert sum(map(float, counted.values())) == 40
            assert set(counted) == {"0", "1"}, "the kernel gives none of 40 connections to one of two"
            assert "ftcore_processes 2.0" in text
        started.send_signal(signal.SIGTERM)
        assert started.wait(20) == 0
        said = events(started)
        assert {line.get("process") for line in said if line["event"] == "request"} == {0, 1}
        assert said[-1]["event"] == "stopped"


def test_reloads_and_the_end_reset_nobody(tiny_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "models.json"

    def write(version: str) -> None:
        file.write_text(json.dumps({"models": {"tiny": {"versions": {version: str(tiny_bundle)}}}}))

    write("1")
    with process("--models", file, "--processes", "2") as (started, url), clients(url, 4) as heard:
        reader = ThreadPoolExecutor(1)
        said = reader.submit(events, started)  # at once: a full pipe would hold the server up
        for version in ("2", "3"):
            write(version)
            started.send_signal(signal.SIGHUP)
            wait_until(lambda: get(f"{url}/v1/models/tiny").json()["default"] == version)  # noqa: B023 (in this turn)
            before = len(heard)
            wait_until(lambda: len(heard) > before + 20)  # noqa: B023
        wait_until(lambda: len(children(started.pid)) == 1)  # those before have left
        started.send_signal(signal.SIGTERM)
        wait_until(lambda: get(f"{url}/readyz").status_code == 503)
        assert started.wait(20) == 0
        reloaded = [line["models"] for line in said.result(20) if line["event"] == "reloaded"]
        reader.shutdown()
    assert set(heard) == {b"HTTP/1.1 200"}
    assert reloaded == [{"tiny": ["2"]}, {"tiny": ["3"]}]


def test_a_reload_that_fails_changes_nothing(tiny_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text(json.dumps({"models": {"tiny": {"versions": {"1": str(tiny_bundle)}}}}))
    with process("--models", file, "--processes", "2") as (started, url):
        before = workers(started)
        file.write_text("{")
        started.send_signal(signal.SIGHUP)
        wait_until(lambda: 'ftcore_reloads_total{result="failed"} 1.0' in get(f"{url}/metrics").text)
        assert workers(started) == before
        started.send_signal(signal.SIGINT)
        assert started.wait(20) == 0
        failed = next(line for line in events(started) if line["event"] == "reload_failed")
        assert failed["where"] == str(file)
        assert failed["problem"].startswith("is not valid JSON")


def test_a_worker_that_dies_is_replaced_and_keeps_nobody_waiting_for_long(tiny_bundle: Path) -> None:
    with process(tiny_bundle, "--processes", "2") as (started, url):
        group, (first, second) = workers(started)
        os.kill(first, signal.SIGKILL)
        # Whichever of the two sockets a connection falls to, somebody answers it.
        assert [get(f"{url}/readyz").status_code for _ in range(12)] == [200] * 12
        wait_until(lambda: len(children(group)) == 2)
        assert second in children(group)
        wait_until(lambda: "ftcore_processes 2.0" in get(f"{url}/metrics").text)
        started.send_signal(signal.SIGTERM)
        assert started.wait(20) == 0
        died = next(line for line in events(started) if line["event"] == "worker_died")
        assert (died["process"], died["how"]) in {(0, "SIGKILL"), (1, "SIGKILL")}


def test_a_worker_that_hangs_is_replaced(tiny_bundle: Path) -> None:
    with process(tiny_bundle, "--processes", "2", "--timeout", "2") as (started, url):
        group, (first, second) = workers(started)
        os.kill(second, signal.SIGSTOP)
        wait_until(lambda: len(children(group)) == 2 and second not in children(group))
        assert first in children(group)
        assert [get(f"{url}/readyz").status_code for _ in range(12)] == [200] * 12
        started.send_signal(signal.SIGTERM)
        assert started.wait(20) == 0
        said = [line["event"] for line in events(started) if line["level"] == "error"]
        assert said == ["worker_hangs", "worker_died"]


def test_models_are_loaded_again_where_the_process_that_holds_them_dies(tiny_bundle: Path) -> None:
    with process(tiny_bundle, "--processes", "2") as (started, url):
        group, before = workers(started)
        os.kill(group, signal.SIGKILL)
        wait_until(lambda: not any(map(alive, before)))
        wait_until(lambda: group not in children(started.pid) and len(children(started.pid)) == 1)
        assert get(f"{url}/readyz").status_code == 200
        assert len(workers(started)[1]) == 2


def test_nothing_is_left_where_the_server_is_killed(tiny_bundle: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        process(tiny_bundle, "--processes", "2", TMPDIR=folder) as (started, _),
    ):
        group, answering = workers(started)
        assert list(Path(folder).iterdir())
        started.kill()
        started.wait()
        wait_until(lambda: not any(map(alive, [group, *answering])))
        assert not list(Path(folder).iterdir())


def test_a_folder_with_too_long_a_path_for_sockets_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    done = serve([str(tiny_bundle), "--processes", "2", "--port", "0"], TMPDIR=str(folder))
    assert done.returncode == 2
    assert f"{folder}/ftcore-serve-" in done.stderr
    assert "help: let TMPDIR name a short folder" in done.stderr
    assert not list(Path(folder).iterdir())


def test_a_second_ctrl_c_ends_it_at_once(tiny_bundle: Path) -> None:
    with process(tiny_bundle, "--processes", "2", "--drain", "600") as (started, url):
        started.send_signal(signal.SIGINT)
        wait_until(lambda: get(f"{url}/readyz").status_code == 503)
        started.send_signal(signal.SIGINT)
        assert started.wait(20) == 1


def test_only_linux_shares_connections_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(UserError, match="--processes: needs Linux"):
        serve_with_processes(Settings(processes=2), lambda: Deployment([]))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["BUNDLE", "--processes", "0"], "--processes: must be at least 1"),
        (
            ["BUNDLE", "--processes", "2", "--device", "cuda"],
            "--processes: a process that has begun to use cuda",
        ),
        (["BUNDLE", "--processes", "2", "--threads", "2"], "--processes: takes one thread for each batch"),
        (["BUNDLE", "--processes", "2", "--port", "TAKEN"], "cannot be listened at"),
        (["BUNDLE", "--processes", "2", "--port", "0", "--canary", "tiny@9=0.1"], "has no version 9"),
        (["BUNDLE", "--processes", "2", "--port", "0", "--variant", "int4"], "has no variant"),
    ],
)
def test_what_cannot_be_served_is_said(tiny_bundle: Path, arguments: list[str], says: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        known: dict[str, Callable[[], str]] = {
            "BUNDLE": lambda: str(tiny_bundle),
            "TAKEN": lambda: str(taken.getsockname()[1]),
        }
        given = [known[one]() if one in known else one for one in arguments]
        done = serve(given)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
