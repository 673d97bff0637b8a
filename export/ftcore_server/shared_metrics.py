"""`/metrics` of several processes: whichever is asked asks the others, and every series says of which process it is."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

if TYPE_CHECKING:
    from ftcore_server.service import Service

#: A file of the folder: how many reloads were done, and how many failed, as whoever reloads has counted them.
RELOADS = "reloads.json"

_SECONDS = 1.0  # for a sibling to say what it has counted; one that hangs is left out
_MOST_BYTES = 2**26


class SharedMetrics:
    """The counters of all workers that were forked from one process.

    Args:
        folder: private to this server; holds a socket for each worker.
        group: which process the workers were forked from.
        number: this worker's.
        count: of all.
    """

    def __init__(self, folder: Path, group: int, number: int, count: int) -> None:
        self._reloads = folder / RELOADS
        self._paths = [folder / f"{group}-{other}" for other in range(count)]
        self._number = number
        self._service: Service | None = None

    async def listen(self, service: Service) -> None:
        """Tell siblings that ask; from now on `service` shows what all have counted."""
        path = self._paths[self._number]
        path.unlink(missing_ok=True)  # of a worker that died in this place
        self._server = await asyncio.start_unix_server(self._answer, path)
        self._service = service
        service.exposition = self.exposition

    async def exposition(self) -> bytes:
        """All of it, in Prometheus' format; `ftcore_processes` says how many have answered."""
        found = await asyncio.gather(*(self._ask(path) for path in self._paths))
        reloads = json.loads(self._reloads.read_bytes()) if self._reloads.exists() else {}
        return await asyncio.to_thread(_merged, dict(enumerate(found)), reloads)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._service is not None
        self._service.registry.refresh()
        writer.write(json.dumps(_plain(self._service.metrics.registry.collect())).encode())
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    async def _ask(self, path: Path) -> list[Any] | None:
        """What the worker at `path` has counted; None where it does not say in time."""
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(_SECONDS):
                reader, writer = await asyncio.open_unix_connection(path, limit=_MOST_BYTES)
                try:
                    said: list[Any] = json.loads(await reader.read())
                finally:
                    writer.close()
                return said
        return None


def _plain(families: Iterable[Metric]) -> list[Any]:
    """Metrics as JSON."""
    return [
        [
            family.name,
            family.documentation,
            family.type,
            [[sample.name, sample.labels, sample.value] for sample in family.samples],
        ]
        for family in families
    ]


def _merged(counted: dict[int, list[Any] | None], reloads: dict[str, int]) -> bytes:
    """Prometheus' format of what each process has counted, and of the reloads of all."""
    merged: dict[str, Metric] = {}
    answered = [number for number, families in counted.items() if families is not None]
    for number in answered:
        for name, documentation, kind, samples in counted[number] or ():
            family = merged.setdefault(name, Metric(name, documentation, kind))
            for sample, labels, value in samples:
                family.add_sample(sample, {**labels, "process": str(number)}, value)
    family = merged["ftcore_reloads"]  # no worker has any to count
    for result, count in reloads.items():
        family.add_sample(f"{family.name}_total", {"result": result}, count)
    own = Metric("ftcore_processes", "Processes whose metrics these are", "gauge")
    own.add_sample(own.name, {}, len(answered))
    registry = CollectorRegistry()
    registry.register(_Given([*merged.values(), own]))
    return generate_latest(registry)


class _Given:
    """A collector of families that are there already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Them."""
        return iter(self._families)
