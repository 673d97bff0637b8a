"""Mutated bundles and archives: each is refused with our error or loads and answers as before; nothing else happens."""

from __future__ import annotations

import io
import os
import random
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import pytest
from bundle_fuzz import MUTATIONS, link, mutate_archive

from ftcore.cli import main
from ftcore_runtime.archive import pack, unpack
from ftcore_runtime.errors import UserError
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.publishing import _MADE
from ftcore_runtime.terminal import printable

OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
TEXTS = ["good food", "the place was not very nice"]


class Watch:
    """Remembers which files are opened, made, renamed or removed; an audit hook cannot be taken away again."""

    def __init__(self) -> None:
        self.touched: list[str] | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.touched is not None and event in (
            "open",
            "os.rename",
            "os.remove",
            "os.mkdir",
            "os.link",
            "os.symlink",
        ):
            for path in arguments[: 2 if event in ("os.rename", "os.link") else 1]:
                if isinstance(path, (str, bytes, os.PathLike)):
                    self.touched.append(os.fsdecode(path))

    @contextmanager
    def only(self, *allowed: Path) -> Iterator[None]:
        self.touched = []
        try:
            yield
        finally:
            touched, self.touched = self.touched, None
        roots = [str(path) for path in (*allowed, sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev/null")]
        source = str(Path(__file__).parents[2])
        strange = [
            path
            for path in touched
            if path != _MADE  # removed through the descriptor of the folder that holds it
            and not any(os.path.normpath(path).startswith(root) for root in [*roots, f"{source}/export"])
        ]
        assert not strange


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


def campaign(watch: Watch, bundle: Path, scratch: Path, seeds: range) -> dict[str, int]:
    """Try one mutation a seed; returns how many were refused and how many loaded."""
    outcomes = {"refused": 0, "loaded": 0}
    slowest = 0.0
    archive = pack(bundle, scratch / "good.tar").read_bytes()
    expected = {v: Pipeline.load(bundle, v).predict(TEXTS) for v in ("fp32", "int8")}
    for seed in seeds:
        draw = random.Random(seed)
        began, message = time.process_time(), ""
        own = scratch / str(seed)
        own.mkdir()
        outside = own / "outside.txt"
        outside.write_text("mine")
        folder = own / "bundle"
        try:
            if draw.random() < 0.2:
                (own / "b.tar").write_bytes(mutate_archive(archive, draw))
                with watch.only(own):
                    unpack(own / "b.tar", folder)
            else:
                shutil.copytree(bundle, folder)
                for mutate in draw.choices(MUTATIONS, k=draw.choice((1, 1, 1, 2))):
                    with suppress(OSError, LookupError, ValueError, TypeError, AttributeError):
                        mutate(folder, draw)  # of what an earlier one left there may be nothing to change
                    if mutate is link:  # another one would write through it
                        break
            with watch.only(folder):
                pipeline = Pipeline.load(folder, draw.choice((None, "fp32", "int8")), threads=1)
                answers = pipeline.predict(TEXTS)
                pipeline.selftest()
            outcomes["loaded"] += 1
            if draw.random() < 0.3:
                inspected(folder)
            if pipeline.manifest.files == Pipeline.load(bundle).manifest.files and same_reading(
                pipeline, bundle
            ):
                assert answers == expected[pipeline.variant], seed
        except UserError as error:
            outcomes["refused"] += 1
            message = printable(str(error), lines=True)
        assert not OBEYED.search(message)
        slowest = max(slowest, time.process_time() - began)
        assert outside.read_text() == "mine"
        assert {path.name for path in own.iterdir()} <= {"outside.txt", "bundle", "b.tar"}
        shutil.rmtree(own)
    assert not (scratch / "planted").exists()
    assert slowest < 10, "nothing takes very long"
    return outcomes


def inspected(folder: Path) -> None:
    """`ftcore bundle inspect` shows a bundle that loads, and hands nothing on that a terminal obeys."""
    shown = io.StringIO()
    with redirect_stdout(shown), redirect_stderr(shown):
        code = main(["bundle", "inspect", str(folder)])
    assert code == 0, shown.getvalue()
    assert not OBEYED.search(shown.getvalue())


def same_reading(pipeline: Pipeline, bundle: Path) -> bool:
    """Whether the manifest reads texts and makes answers as the original's does."""
    one, other = pipeline.manifest, Pipeline.load(bundle).manifest
    return one.encoder == other.encoder and one.decoder == other.decoder and one.variants == other.variants


def test_some_mutations(watch: Watch, tiny_bundle: Path, tmp_path: Path) -> None:
    outcomes = campaign(watch, tiny_bundle, tmp_path, range(150))
    assert outcomes["refused"] > 100
    assert outcomes["loaded"] > 0


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_ten_thousand_mutations(watch: Watch, tiny_bundle: Path, tmp_path: Path) -> None:
    outcomes = campaign(watch, tiny_bundle, tmp_path, range(1000, 11_000))
    print(outcomes)
    assert outcomes["refused"] > 8000
