"""The process that loads what is served once, forks the workers that answer from it, and replaces those that die.

Workers share the pages of the weights that were loaded before they were forked, packed ones included: each has a few
megabytes of its own. A fork has only the thread that forked, so nothing here may have started one by then: onnxruntime
runs a batch in the thread that asks for it, where it has one thread for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import mmap
import os
import select
import shutil
import signal
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ftcore_runtime.bundle import read_bundle
from ftcore_runtime.errors import UserError
from ftcore_server import logs
from ftcore_server.deployment import Deployment
from ftcore_server.loading import Loaded, load, resolved
from ftcore_server.registry import by_model
from ftcore_server.settings import Settings
from ftcore_server.siblings import Siblings
from ftcore_server.trial import try_bundle
from ftcore_server.worker import DRAIN, Worker

_TICK = 0.2  # seconds between looks at the workers
_STEADY = 10.0  # seconds that a worker has to live for the next one in its place to start at once
_DOUBLE = struct.Struct("d")
_LONGEST_WAIT = 30.0  # seconds before a worker is replaced, where one after another dies


@dataclass
class _Place:
    """Where one worker is.

    Args:
        process, control: of the worker; 0 while there is none.
        born: when it was forked.
        died: how many in a row have died young.
        again: when the next one may be forked.
    """

    process: int = 0
    control: int = 0
    born: float = 0.0
    died: int = 0
    again: float = 0.0


class WorkerGroup:
    """Workers of one deployment, in a process of their own that ends with the last of them.

    Args:
        read: what should be served.
        listeners: the sockets of each worker.
        control: a pipe of bytes for all workers; its end means that whoever started this is gone.
        status: a pipe for lines of JSON: `loaded`, `ready` for each worker that answers, or `error`.
        folder: private, for sockets.
        number: of this group.
    """

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Deployment],
        listeners: Sequence[Sequence[socket.socket]],
        control: int,
        status: int,
        folder: Path,
        number: int,
    ) -> None:
        self._settings = settings
        self._read = read
        self._listeners = listeners
        self._control = control
        self._status = status
        self._folder = folder
        self._number = number
        self._places = [_Place() for _ in listeners]
        #: When each worker's event loop has last turned, as a double of `time.monotonic`; shared with the workers.
        self._turns = mmap.mmap(-1, _DOUBLE.size * len(listeners))
        self._leaving = False
        self._answered = True

    def run(self) -> NoReturn:
        """Load, fork, watch; the exit code is 0 where every accepted request was answered."""
        code = 1
        try:
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)  # for whoever started this to follow
            os.setsid()
            code = self._run()
        except UserError as error:
            self._say({"error": {"what": error.what[:2000], "where": error.where, "hint": error.hint}})
            code = 2
        except asyncio.CancelledError:
            code = 0  # given up while it was loading
        except Exception as error:  # noqa: BLE001 (the log has the cause; whoever started this sees the exit code)
            logs.event("failed", logging.ERROR, error)
        finally:
            os._exit(code)  # what the forked interpreter has inherited is not its to clean up

    def _run(self) -> int:
        deployment = self._read()
        loaded = asyncio.run(_load(deployment, self._settings, self._control))
        models = {name: list(versions) for name, (versions, *_) in by_model(deployment, loaded).items()}
        self._say({"loaded": models})
        gc.collect()
        gc.freeze()  # a collection would write to every page that the workers share
        while not (self._leaving and not any(place.process for place in self._places)):
            for number, place in enumerate(self._places):
                if not self._leaving and not place.process and time.monotonic() >= place.again:
                    self._fork(number, deployment, loaded)
            self._listen()
            self._reap()
            if not self._leaving:  # the loop of one that ends turns no more
                self._end_those_that_hang()
        if not self._control:  # whoever made the folder is gone
            shutil.rmtree(self._folder, ignore_errors=True)
        return 0 if self._answered else 1

    def _listen(self) -> None:
        """Pass on what is said to the workers."""
        if not select.select([self._control] if self._control else [], [], [], _TICK)[0]:
            return
        said = os.read(self._control, 1)
        if not said:
            os.close(self._control)
            self._control = 0
        if not self._leaving:
            self._leaving = True
            self._close_listeners()
        for place in self._places:
            if place.process:
                with contextlib.suppress(BrokenPipeError):  # it has just ended
                    os.write(place.control, said or DRAIN)

    def _fork(self, number: int, deployment: Deployment, loaded: Sequence[Loaded]) -> None:
        place, (control, commands) = self._places[number], os.pipe()
        process = os.fork()
        if process:
            os.close(control)
            place.process, place.control, place.born = process, commands, time.monotonic()
            return
        code = 1
        try:
            for descriptor in (
                commands,
                self._control,
                *(one.control for one in self._places if one.process),
            ):
                os.close(descriptor)  # or no worker would see the end of its pipe
            self._close_listeners(but=number)
            logs.always(process=number)
            siblings = Siblings(self._folder, self._number, number, len(self._places))
            worker = Worker(
                self._settings,
                deployment,
                loaded,
                control,
                siblings,
                ready=lambda: self._say({"ready": number}),
                turned=lambda: self._turned(number),
            )
            worker.run(list(self._listeners[number]))
            code = int(worker.service.cut_short)
        except Exception as error:  # noqa: BLE001 (the log has the cause, and the exit code says that there is one)
            logs.event("failed", logging.ERROR, error)
            code = 3
        finally:
            os._exit(code)

    def _close_listeners(self, but: int = -1) -> None:
        for number, listeners in enumerate(self._listeners):
            for listener in listeners if number != but else ():
                listener.close()

    def _reap(self) -> None:
        """Take note of workers that have ended."""
        while any(place.process for place in self._places):
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            place = next(one for one in self._places if one.process == process)
            os.close(place.control)
            place.process = place.control = 0
            code = os.waitstatus_to_exitcode(status)
            if self._leaving:
                self._answered &= code == 0
                continue
            place.died = 0 if time.monotonic() - place.born > _STEADY else place.died + 1
            wait = min(_LONGEST_WAIT, 0.1 * 2**place.died) if place.died else 0.0
            place.again = time.monotonic() + wait
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            number = self._places.index(place)
            logs.event("worker_died", logging.ERROR, process=number, how=how, again_in=round(wait, 1))

    def _turned(self, number: int) -> None:
        _DOUBLE.pack_into(self._turns, number * _DOUBLE.size, time.monotonic())

    def _end_those_that_hang(self) -> None:
        """End workers whose event loop stands still for as long as any request may take."""
        for number, place in enumerate(self._places):
            turned: float = max(_DOUBLE.unpack_from(self._turns, number * _DOUBLE.size)[0], place.born)
            if place.process and time.monotonic() - turned > self._settings.limits.request_seconds:
                logs.event("worker_hangs", logging.ERROR, process=number)
                os.kill(place.process, signal.SIGKILL)

    def _say(self, what: dict[str, Any]) -> None:
        os.write(self._status, json.dumps(what).encode() + b"\n")


async def _load(deployment: Deployment, settings: Settings, control: int) -> list[Loaded]:
    """Every bundle, tried in a process of its own, then loaded here; cancelled by whatever `control` says.

    Raises:
        UserError: one cannot be served.
    """
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_reader(control, task.cancel)
    loaded = []
    for source in deployment.sources:
        path = resolved(source.path)
        if settings.signed_by is not None:  # nothing is tried without
            settings.signed_by.verify(read_bundle(path))
        tried = await try_bundle(path, settings.variant, settings.batching.threads, settings.loading)
        loaded.append(load(path, source, settings, tried))
    return loaded
