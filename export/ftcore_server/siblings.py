"""What several processes have seen together: whichever is asked for metrics or drift asks the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from ftcore_server.drift import Seen

if TYPE_CHECKING:
    from ftcore_server.service import Service
    from ftcore_server.version import Version

#: A file of the folder: how many reloads were done, and how many failed, as whoever reloads has counted them.
RELOADS = "reloads.json"

_SECONDS = 1.0  # for a sibling to say what it has counted; one that hangs is left out
_MOST_BYTES = 2**26


class Siblings:
    """All workers that were forked from one process, as one of them sees them.

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
        service.seen = self.seen

    async def exposition(self) -> bytes:
        """All of it, in Prometheus' format; `ftcore_processes` says how many have answered."""
        found = await self._ask_all(self._paths, {"of": "metrics"})
        reloads = json.loads(self._reloads.read_bytes()) if self._reloads.exists() else {}
        return await asyncio.to_thread(_merged, dict(enumerate(found)), reloads)

    async def seen(self, version: Version) -> Seen:
        """The latest inputs of a version that has a reference: this worker's and those of all that answer."""
        assert version.drift is not None
        others = [path for number, path in enumerate(self._paths) if number != self._number]
        asked = {"of": "drift", "model": version.name, "version": version.version}
        found = await self._ask_all(others, asked)
        theirs = (Seen.from_json(one) for one in found if one is not None)
        return reduce(add, theirs, version.drift.seen())

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            writer.write(json.dumps(self._own(json.loads(await reader.readline()))).encode())
            await writer.drain()
        writer.close()

    def _own(self, asked: Mapping[str, str]) -> Any:  # noqa: ANN401 (JSON)
        """What this worker has counted; None of a version that it does not serve."""
        assert self._service is not None
        registry = self._service.registry
        if asked["of"] == "metrics":
            registry.refresh()
            return _plain(self._service.metrics.registry.collect())
        model = registry.models.get(asked["model"])
        version = model.versions.get(asked["version"]) if model else None
        return version.drift.seen().to_json() if version and version.drift else None

    async def _ask_all(self, paths: Sequence[Path], question: Mapping[str, str]) -> list[Any]:
        """What each of some workers says; None of one that does not say it in time."""
        return await asyncio.gather(*(self._ask(path, question) for path in paths))

    async def _ask(self, path: Path, question: Mapping[str, str]) -> Any:  # noqa: ANN401 (JSON)
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(_SECONDS):
                reader, writer = await asyncio.open_unix_connection(path, limit=_MOST_BYTES)
                try:
                    writer.write(json.dumps(question).encode() + b"\n")
                    return json.loads(await reader.read())
                finally:
                    writer.close()
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
