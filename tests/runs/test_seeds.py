"""`training.seeds`: a run inside the run for each seed, mean and spread, and the best one exported."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
from models import tiny_spec
from ruamel.yaml import YAML
from safetensors.torch import load_file

from ftcore.cli import main
from ftcore.training import engine

SEEDS = [1, 2, 3]


def run_of(project: Path, base: Path) -> Path:
    YAML().dump(tiny_spec(base, training={"seeds": SEEDS, "epochs": 1}), project / "many.yaml")
    code = main(["run", "many.yaml"])
    (run,) = (project / "runs" / "many").iterdir()
    assert code in (0, 143)
    return run


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_mean_and_spread_and_the_best_seed(project: Path, tiny_base: Path, capsys) -> None:
    run = run_of(project, tiny_base)
    summary = read(run / "seeds.json")
    measured = {seed: read(run / "seeds" / str(seed) / "metrics.json")["splits"] for seed in SEEDS}
    for split in ("validation", "test"):
        values = [measured[seed][split]["metrics"]["accuracy"]["value"] for seed in SEEDS]
        found = summary["splits"][split]["accuracy"]
        assert (found["mean"], found["sd"]) == pytest.approx((mean(values), stdev(values)))
        assert list(found["values"].values()) == values
    values = summary["splits"]["validation"]["accuracy"]["values"]
    assert values[str(summary["chosen"])] == max(values.values())

    weights = {seed: load_file(run / "seeds" / str(seed) / "model" / "model.safetensors") for seed in SEEDS}
    name = "classifier.weight"
    assert len({tuple(w[name].flatten().tolist()) for w in weights.values()}) == 3, "seeds differ"
    chosen = load_file(run / "model" / "model.safetensors")
    assert all(chosen[name].equal(weights[summary["chosen"]][name]) for name in chosen)
    assert (
        read(run / "metrics.json")["splits"]["test"]["metrics"]["accuracy"]["value"]
        == (summary["splits"]["test"]["accuracy"]["values"][str(summary["chosen"])])
    )
    assert read(run / "bundle" / "bundle.json")["provenance"]["seed"] == summary["chosen"]
    assert [read(run / "seeds" / str(seed) / "run.json")["seed"] for seed in SEEDS] == SEEDS
    printed = capsys.readouterr().out
    assert "over the seeds 1, 2, 3" in printed
    assert "±" in printed


def test_a_stopped_run_goes_on_with_the_seed_it_was_at(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    whole = engine._Loop._step

    def stopped(self: Any, micro_batches: Any) -> None:
        started.append(self.training.seed)
        if self.training.seed == 2 and self.progress.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        whole(self, micro_batches)

    with monkeypatch.context() as patch:
        patch.setattr(engine._Loop, "_step", stopped)
        run = run_of(project, tiny_base)
    assert started == [1] * 6 + [2] * 3
    assert (
        read(run / "run.json")["status"] == read(run / "seeds" / "2" / "run.json")["status"] == "interrupted"
    )

    started.clear()

    def counted(self: Any, micro_batches: Any) -> None:
        started.append(self.training.seed)
        whole(self, micro_batches)

    monkeypatch.setattr(engine._Loop, "_step", counted)
    assert main(["resume", str(run)]) == 0
    assert started == [2] * 3 + [3] * 6
    assert sorted(read(run / "seeds.json")["splits"]["test"]["accuracy"]["values"]) == ["1", "2", "3"]
    assert (run / "bundle" / "bundle.json").exists()
