"""Listens, and ends that without resetting anybody.

A kernel completes handshakes on its own and queues the connections; those that are queued when the socket closes are
reset, although their clients may have sent a request. So the socket is deaf to new handshakes first, then the queue is
emptied, and then there is nothing left to reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import select
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Any

from ftcore_runtime.errors import UserError

_SETTLE = 0.1  # seconds for handshakes that have begun to complete
_LONGEST = 2.0  # seconds for the queue to be emptied

_SO_ATTACH_FILTER = 26
#: Classic BPF (linux/filter.h: code, jt, jf, k): load the TCP header's byte of flags; drop if SYN is set, else keep.
_NO_HANDSHAKES = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


def shared_listeners(host: str, port: int, count: int) -> list[list[socket.socket]]:
    """Sockets for `count` processes at one address, not yet listening; one for each address that the host name has.

    Args:
        port: 0 takes a free one.

    Raises:
        UserError: the address cannot be listened at, or somebody does already.
    """
    made: list[list[socket.socket]] = [[] for _ in range(count)]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            # Whoever shares a port needs nobody's leave: without this a second server would get half of the requests.
            with _bound(family, address, shared=False) as alone:
                alone.listen()
            for listeners in made:
                listeners.append(_bound(family, (address[0], port, *address[2:]), shared=True))
                port = listeners[-1].getsockname()[1]
    except OSError as error:
        for listener in (one for listeners in made for one in listeners):
            listener.close()
        raise UserError(
            f"cannot be listened at: {error.strerror}",
            where=f"{host}:{port}",
            hint="give another --host or --port",
        ) from None
    return made


def _bound(family: int, address: tuple[Any, ...], *, shared: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def url_of(host: str, port: int) -> str:
    """What a client connects to."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


async def stop_accepting(listeners: Sequence[socket.socket]) -> None:
    """Return once every connection that the kernel has completed at `listeners` is accepted, and none are added.

    Where a socket takes no filter (only Linux's do) connections may go on to be added.

    Args:
        listeners: TCP sockets that the running loop accepts from.
    """
    descriptors = [listener.fileno() for listener in listeners]
    for descriptor in descriptors:
        _ignore_handshakes(descriptor)
    end = asyncio.get_running_loop().time() + _LONGEST
    await asyncio.sleep(_SETTLE)
    while _waiting(descriptors) and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.01)


def _ignore_handshakes(descriptor: int) -> None:
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _NO_HANDSHAKES))
    header = struct.pack("HP", len(_NO_HANDSHAKES), ctypes.addressof(program))
    # A kernel may be built without filters.
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as own:
        own.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)


def _waiting(descriptors: Sequence[int]) -> bool:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
