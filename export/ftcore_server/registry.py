"""The models that are served: which versions there are, which one answers, and how that changes without a gap.

A `Deployment` lists what should be served. `apply` loads what is missing, tests it, then exchanges the whole
table at once; requests that began on a version that is gone are answered by it before it is closed. Rolling back is
the same step with an earlier deployment.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ftcore_runtime.bundle import read_bundle
from ftcore_runtime.errors import UserError
from ftcore_runtime.pipeline import Pipeline
from ftcore_server.deployment import Deployment, Source
from ftcore_server.loading import Loaded, load, resolved
from ftcore_server.logs import event
from ftcore_server.metrics import Metrics
from ftcore_server.problems import Problem
from ftcore_server.settings import Settings
from ftcore_server.trial import try_bundle
from ftcore_server.version import Version

_CLOSE_SECONDS = 5.0  # for the batches of a version to end that nobody waits for any more

#: A request header that names the version to answer it.
VERSION_HEADER = "x-model-version"

_SHOWN = 20  # names of models in a message


@dataclass(frozen=True)
class Model:
    """The versions of one model.

    Args:
        versions: by name.
        default: the one that answers.
        canary: another one, and its share of the requests that name none.
    """

    versions: Mapping[str, Version]
    default: str
    canary: tuple[str, float] | None = None

    def choose(self, named: str | None) -> Version:
        """The version that a request names, or the default, or by chance the canary.

        Raises:
            Problem: 404 for a version that is not there.
        """
        if named is not None:
            if named not in self.versions:
                names = ", ".join(self.versions)
                raise Problem(404, "not_found", f"there is no such version of this model; it has {names}")
            return self.versions[named]
        if self.canary is not None and random.random() < self.canary[1]:
            return self.versions[self.canary[0]]
        return self.versions[self.default]


class Registry:
    """All models of a server. Belongs to the event loop; loading happens in threads.

    Args:
        retired: called with the name of every version that was closed.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        retired: Callable[[Version], None] = lambda version: None,
    ) -> None:
        self.models: Mapping[str, Model] = {}
        self.ready = False
        #: Whether a graph that did not end was left to itself: then the process must be ended, not left.
        self.abandoned = False
        self._settings = settings
        self._metrics = metrics
        self._retired = retired
        self._lock = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    def model(self, name: str) -> Model:
        """The model of this name.

        Raises:
            Problem: 404, or 503 before the first deployment is ready.
        """
        if not self.ready:
            raise Problem(503, "not_ready", "the models are being loaded", headers={"retry-after": "1"})
        if name not in self.models:
            names = ", ".join(sorted(self.models)[:_SHOWN])
            raise Problem(404, "not_found", f"there is no such model; the models are {names}")
        return self.models[name]

    async def apply(self, deployment: Deployment) -> None:
        """Serve what `deployment` says; if any of it cannot be loaded, everything stays as it is.

        Raises:
            UserError: a bundle that does not load or fails its self-test, or names that do not fit together.
        """
        async with self._lock:
            before = [version for model in self.models.values() for version in model.versions.values()]
            now: list[Version] = []
            try:
                for source in deployment.sources:
                    kept = await asyncio.to_thread(self._loaded, source, before)
                    now.append(kept or await self._load(source))
                models = _models(deployment, now)
            except BaseException:
                for version in now:
                    if version not in before:
                        await asyncio.to_thread(version.close, _CLOSE_SECONDS)
                raise
            self.models, self.ready = models, True
            for version in before:
                if version not in now:
                    task = asyncio.create_task(self._retire(version, self._settings.loading.retire_seconds))
                    self._closing.add(task)
                    task.add_done_callback(self._closing.discard)

    def adopt(self, deployment: Deployment, loaded: Sequence[Loaded]) -> None:
        """Serve what was loaded before this process was forked.

        Raises:
            UserError: names that do not fit together.
        """
        versions = [Version(one, self._settings, self._metrics) for one in loaded]
        self.models, self.ready = _models(deployment, versions), True

    async def close(self) -> None:
        """Close every version, whether its requests have been answered or not: they had the time of grace."""
        last = [version for model in self.models.values() for version in model.versions.values()]
        self.models, self.ready = {}, False
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*(self._retire(version, 0) for version in last))

    def refresh(self) -> None:
        """Bring the gauges of all versions up to date."""
        for model in self.models.values():
            for version in model.versions.values():
                version.refresh()

    def _loaded(self, source: Source, before: list[Version]) -> Version | None:
        """The version that this source would load, if it is served already."""
        path = resolved(source.path)
        bundle = read_bundle(path)
        # What is served already needs its signature at a reload, too; and nothing is tried without one.
        if self._settings.signed_by is not None:
            self._settings.signed_by.verify(bundle)
        mark = bundle.manifest.fingerprint
        for version in before:
            same_name = source.name in (None, version.name)
            if same_name and version.version == (source.version or mark) and version.fingerprint == mark:
                return version
        return None

    async def _load(self, source: Source) -> Version:
        """Try it in a process of its own, then load it in a thread."""
        settings, path = self._settings, resolved(source.path)
        tried = await try_bundle(path, settings.variant, settings.batching.threads, settings.loading)
        loaded = await asyncio.to_thread(load, path, source, settings, tried)
        return Version(loaded, settings, self._metrics)

    async def _retire(self, version: Version, seconds: float) -> None:
        """Close a version once its last request is answered, or after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await version.drained()
        except TimeoutError:
            event("not_drained", logging.WARNING, model=version.name, version=version.version)
        if not await asyncio.to_thread(version.close, _CLOSE_SECONDS):
            self.abandoned = True
            event("abandoned", logging.ERROR, model=version.name, version=version.version)
        self._retired(version)


def _models(deployment: Deployment, versions: Sequence[Version]) -> dict[str, Model]:
    return {name: Model(*chosen) for name, chosen in by_model(deployment, versions).items()}


class Served(Protocol):
    """A bundle under its name: loaded, or answering already."""

    @property
    def name(self) -> str:
        """What the model is called."""

    @property
    def version(self) -> str:
        """What this version of it is called."""

    @property
    def pipeline(self) -> Pipeline:
        """What answers."""


S = TypeVar("S", bound=Served)


def by_model(
    deployment: Deployment, versions: Sequence[S]
) -> dict[str, tuple[dict[str, S], str, tuple[str, float] | None]]:
    """The versions of each model by name, the one that answers, and its canary.

    Raises:
        UserError: names that do not fit together.
    """
    named: dict[str, dict[str, S]] = {}
    for version in versions:
        others = named.setdefault(version.name, {})
        if version.version in others and others[version.version] is not version:
            raise UserError(
                f"two bundles are version {version.version}",
                where=version.name,
                hint="give NAME@VERSION=PATH",
            )
        others[version.version] = version
    for name, found in named.items():
        _require_one_kind(name, [version.pipeline for version in found.values()])
    models = {}
    for name, found in named.items():
        canary = deployment.canaries.get(name)
        regular = [version for version in found if canary is None or version != canary[0]]
        default = deployment.defaults.get(name, (regular or list(found))[-1])
        for wanted in (default, *(canary[:1] if canary else ())):
            if wanted not in found:
                raise UserError(f"has no version {wanted}", where=name, hint=f"there are {', '.join(found)}")
        models[name] = (found, default, canary)
    for name in {*deployment.defaults, *deployment.canaries} - set(models):
        raise UserError("no bundle has this name", where=name, hint=f"there are {', '.join(models)}")
    return models


def _require_one_kind(name: str, pipelines: Sequence[Pipeline]) -> None:
    """Refuse versions of one model that are asked or answer in different ways: a client knows of no versions."""
    first, *others = pipelines
    for other in others:
        if (first.decoder.answer, first.fields) != (other.decoder.answer, other.fields):
            raise UserError(
                f"a bundle of the task `{first.task}` and one of `{other.task}` are no versions of one model",
                where=name,
                hint="give each a name of its own: NAME=PATH",
            )
