"""Serves with several processes at one address: holds the sockets, and lets one group of workers follow another.

Each worker has a listening socket of its own (SO_REUSEPORT: the kernel shares connections out), which stays open here
whoever accepts from it. So where a worker dies, or a reload puts others in its place, what connects meanwhile waits in
the socket's queue and is answered. This process opens no bundle and no connection: there is little to make it fall.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from ftcore_runtime.cpus import cpu_count
from ftcore_runtime.errors import UserError
from ftcore_runtime.publishing import write_whole
from ftcore_server import logs
from ftcore_server.deployment import Deployment
from ftcore_server.listening import shared_listeners, url_of
from ftcore_server.process import Ended
from ftcore_server.settings import Settings
from ftcore_server.siblings import RELOADS
from ftcore_server.worker import DRAIN, FORCE, RETIRE
from ftcore_server.worker_group import WorkerGroup

_TICK = 0.2  # seconds between looks at what the signals ask
_TO_ANSWER = 30.0  # seconds for all workers of a new group to answer, once it has loaded
_LONGEST_PATH = 80  # bytes; a socket's may have 103 on some systems
_BEYOND_GRACE = 10.0  # seconds for processes to end after the time of grace


@dataclass
class _Begun:
    """A group, as seen from here.

    Args:
        process, control, status: see `WorkerGroup`.
        models: names and versions that it has loaded.
        ready: the workers that answer.
        until: when all of them must.
        error: why it cannot be served.
        ended: how its process has ended; "" while it lives.
    """

    number: int
    process: int
    control: int
    status: int
    began: float = field(default_factory=time.monotonic)
    models: dict[str, list[str]] | None = None
    ready: set[int] = field(default_factory=set)
    until: float = float("inf")
    error: UserError | None = None
    ended: str = ""
    unread: bytes = b""

    def say(self, what: bytes) -> None:
        """Tell all its workers something."""
        with contextlib.suppress(BrokenPipeError):  # it has just ended
            os.write(self.control, what)

    def listen(self) -> None:
        """Take note of what it says."""
        with contextlib.suppress(BlockingIOError):
            self.unread += os.read(self.status, 2**16)
        *lines, self.unread = self.unread.split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "loaded" in said:
                self.models, self.until = said["loaded"], time.monotonic() + _TO_ANSWER
            elif "ready" in said:
                self.ready.add(said["ready"])
            else:
                self.error = UserError(**said["error"])


class Supervisor:
    """Serves until a signal asks to stop.

    Args:
        read: what should be served; called at the start and at every reload, in a process of its own.
    """

    def __init__(self, settings: Settings, read: Callable[[], Deployment]) -> None:
        self._settings = settings
        self._read = read
        self._folder = _private_folder()
        self._listeners: list[list[socket.socket]] = []
        self._selector = selectors.DefaultSelector()
        self._count = 0
        self._next: _Begun | None = None  # still loading
        self._current: _Begun | None = None
        self._leaving: list[_Begun] = []
        self._asked_to_reload = False
        self._interrupts = 0
        self._reloads = {"done": 0, "failed": 0}
        self._answered = True

    def run(self) -> Ended:
        """Serve.

        Raises:
            UserError: the address cannot be listened at, or the first deployment cannot be served.
        """
        before = {
            number: signal.signal(number, self._heard)
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
        }
        try:
            self._listeners = shared_listeners(
                self._settings.host, self._settings.port, self._settings.processes
            )
            self._next = self._begin()
            while not self._interrupts:
                self._look()
            self._end()
        finally:
            for one in self._living():
                self._kill(one)
            self._close_listeners()
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            shutil.rmtree(self._folder, ignore_errors=True)
        logs.event("stopped")
        return Ended(self._answered, abandoned=False)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._asked_to_reload = True
        else:
            self._interrupts += 1 if number == signal.SIGINT or not self._interrupts else 0

    def _living(self) -> list[_Begun]:
        """The groups that have not ended."""
        known = (*self._leaving, self._current, self._next)
        return [one for one in known if one is not None and not one.ended]

    def _begin(self) -> _Begun:
        """Start a group."""
        self._count += 1
        (control_end, control), (status, status_end) = os.pipe(), os.pipe()
        process = os.fork()
        if not process:
            for one in self._living():
                os.close(one.control)
                os.close(one.status)
            os.close(control)
            os.close(status)
            WorkerGroup(
                self._settings,
                self._read,
                self._listeners,
                control_end,
                status_end,
                self._folder,
                self._count,
            ).run()
        os.close(control_end)
        os.close(status_end)
        os.set_blocking(status, False)
        begun = _Begun(self._count, process, control, status)
        self._selector.register(status, selectors.EVENT_READ, begun)
        return begun

    def _look(self) -> None:
        """Wait a little for something to happen, and follow."""
        self._listen_and_reap()
        if self._next is not None:
            self._follow(self._next)
        if self._current is not None and self._current.ended:
            logs.event("group_died", logging.ERROR, how=self._current.ended)
            self._current = None  # its workers see the end of their pipes, and retire
        if self._next is None and (self._asked_to_reload or self._current is None):
            self._asked_to_reload = False
            self._next = self._begin()

    def _follow(self, begun: _Begun) -> None:
        """See whether the group that is loading can take over, or never will."""
        if len(begun.ready) == len(self._listeners):
            self._take_over(begun)
            return
        if not begun.ended and time.monotonic() < begun.until:
            return
        if not begun.ended:
            self._kill(begun)
            begun.error = UserError("its workers did not come up", hint="the log says what they died of")
        self._next = None
        error = begun.error or UserError(
            f"the process that loads the models ended ({begun.ended})", hint="the log says why"
        )
        if self._current is None:
            raise error
        self._count_reload("failed")
        logs.event("reload_failed", logging.ERROR, where=error.where, problem=error.what)

    def _take_over(self, begun: _Begun) -> None:
        first = self._count == 1
        if self._current is not None:
            self._current.say(RETIRE)
            self._leaving.append(self._current)
        self._current, self._next = begun, None
        if first:
            host, port = self._settings.host, self._listeners[0][0].getsockname()[1]
            logs.event("listening", url=url_of(host, port), processes=len(self._listeners))
            logs.event("ready", seconds=round(time.monotonic() - begun.began, 3), models=begun.models)
        else:
            self._count_reload("done")
            logs.event("reloaded", models=begun.models)

    def _count_reload(self, result: str) -> None:
        self._reloads[result] += 1
        write_whole(self._folder / RELOADS, [json.dumps(self._reloads).encode()])

    def _end(self) -> None:
        """Let every worker drain; a second SIGINT ends them at once."""
        settings = self._settings
        self._close_listeners()
        for one in self._living():
            one.say(DRAIN)
        until = time.monotonic() + settings.drain_seconds + settings.grace_seconds + _BEYOND_GRACE
        while (rest := self._living()) and time.monotonic() < until:
            if self._interrupts > 1:
                for one in rest:
                    one.say(FORCE)
            self._listen_and_reap()
        self._answered &= not rest

    def _close_listeners(self) -> None:
        for listener in (one for listeners in self._listeners for one in listeners):
            listener.close()

    def _listen_and_reap(self) -> None:
        """Wait a little for what groups say, and see which have ended."""
        for key, _ in self._selector.select(_TICK):
            key.data.listen()
        for one in self._living():
            process, status = os.waitpid(one.process, os.WNOHANG)
            if process:
                one.listen()  # its last words
                code = os.waitstatus_to_exitcode(status)
                self._forget(one, signal.Signals(-code).name if code < 0 else f"exit code {code}")
                self._answered &= code == 0 or one is self._next
        self._leaving = [one for one in self._leaving if not one.ended]

    def _kill(self, one: _Begun) -> None:
        """End a group and its workers, which are one session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.process, signal.SIGKILL)
        os.waitpid(one.process, 0)
        self._forget(one, "killed")

    def _forget(self, one: _Begun, how: str) -> None:
        one.ended = how
        self._selector.unregister(one.status)
        os.close(one.status)
        os.close(one.control)
        for path in self._folder.glob(f"{one.number}-*"):
            path.unlink(missing_ok=True)


def _private_folder() -> Path:
    """A new folder that only its owner may read, for sockets.

    Raises:
        UserError: there is none to be had, or its path is longer than a socket's may be.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="ftcore-serve-"))
    except OSError as error:
        problem = f"there is no folder for the sockets of several processes: {error.strerror}"
    else:
        if len(os.fsencode(folder)) <= _LONGEST_PATH:
            return folder
        folder.rmdir()
        problem = f"{folder} is too long a path for a socket"
    raise UserError(
        problem, where="--processes", hint="let TMPDIR name a short folder that can be written to"
    )


def serve_with_processes(settings: Settings, read: Callable[[], Deployment]) -> Ended:
    """Serve with `settings.processes` of them until a signal asks to stop.

    Raises:
        UserError: the address cannot be listened at, the first deployment cannot be served, or this cannot be done
            here.
    """
    where = "--processes"
    if sys.platform != "linux":
        raise UserError("needs Linux, whose kernel shares connections out", where=where, hint="leave it out")
    if settings.device != "cpu":
        raise UserError(
            f"a process that has begun to use {settings.device} cannot be forked",
            where=where,
            hint="leave it out, and run a server for each device",
        )
    if settings.batching.threads > 1:
        raise UserError(
            "takes one thread for each batch: threads are not there any more in a forked process",
            where=where,
            hint="leave out --threads, or --processes",
        )
    workers = settings.batching.workers or max(1, cpu_count() // settings.processes)
    settings = replace(settings, batching=replace(settings.batching, workers=workers))
    return Supervisor(settings, read).run()
