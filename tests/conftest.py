"""What every test may use: a project folder with a valid spec, and the plugins that are shipped."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterator
from itertools import count

# One thread a test process, and no spinning: tests run at the same time, and threads that spin while they wait for one
# another stand still together on a busy machine. Before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # some tests import onnxruntime before ftcore does

from pathlib import Path

import pytest
from bundles import bundle_arguments, copy_bundle, keys, tiny, tiny_bundle  # noqa: F401 (fixtures)
from generating_bundle import generating_bundle, make_generating_bundle  # noqa: F401 (fixtures)
from generation_models import exported_writer  # noqa: F401 (fixture)
from graph_cache import cache, forget_shared, keep_operators
from light_base import save_light_base
from loopback_store import store  # noqa: F401 (fixture)
from models import tiny_base  # noqa: F401 (fixture)
from spec_text import TRAIN, VALID

from ftcore.plugins import PluginRegistry

_MANY = 50  # modules whose import is worth a look by the collector


@pytest.fixture(autouse=True)
def _every_plugin_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FTCORE_PLUGINS", raising=False)


@pytest.fixture(autouse=True)
def _logs_of_its_own() -> Iterator[None]:
    """What a test's server logs to is closed with the test: a thread that ends later must not write to it."""
    loggers = [logging.getLogger(name) for name in ("ftcore.server", "uvicorn.error")]
    before = [list(logger.handlers) for logger in loggers]
    yield
    for logger, handlers in zip(loggers, before, strict=True):
        logger.handlers = handlers


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: spec.yaml (valid), train.csv and base/, which validates and does not train."""
    (tmp_path / "spec.yaml").write_text(VALID)
    (tmp_path / "train.csv").write_text(TRAIN)
    save_light_base(tmp_path / "base")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def unexported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs end without their export, which takes seconds: for tests of what comes before it."""
    monkeypatch.setattr("ftcore.runs.steps.export", lambda *_: [])


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> PluginRegistry:
    """The registry of a project that has no plugins of its own."""
    return PluginRegistry.discover(cwd=tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="session")
def _caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders, one after another: pytest's own counter reads all that there are each time."""
    root = tmp_path_factory.mktemp("caches")
    return (root / str(number) for number in count())


@pytest.fixture(autouse=True)
def _cache_of_its_own(_caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTCORE_CACHE", cache(next(_caches)))


@pytest.fixture(autouse=True, scope="session")
def _speed_is_of_a_few_answers() -> Iterator[None]:
    """What tests ask of a variant's speed is that it was measured; thousands of answers a run take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ftcore_export.speed._SINGLE", 10)
        patch.setattr("ftcore_export.speed._BATCHED", 1)  # one stretch of rows
        patch.setattr("ftcore_export.speed._GENERATED", 8)
        yield


@pytest.fixture(autouse=True, scope="module")
def _imports_kept_from_the_collector() -> Iterator[None]:
    """What a module's tests were the first to import is not looked at again either: torch's compiler, charts, ..."""
    before = len(sys.modules)
    yield
    if len(sys.modules) > before + _MANY:
        gc.collect()
        gc.freeze()


def pytest_configure() -> None:
    """Keep what Python compiles, also where the shell says otherwise: every command of a test would compile it anew."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def pytest_collection() -> None:
    """Collect no garbage while tests are: what they import is a million objects, and none of it becomes garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Make each trace of a graph shorter, where tests are about to make some, and keep imports from the collector.

    What has been imported by now lives as long as the process: the collector would look at it again and again.
    """
    keep_operators()
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_unconfigure() -> None:
    """Delete what the processes of this run have shared."""
    forget_shared()
