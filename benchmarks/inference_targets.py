"""What `inference.py` has measured, as targets: one JSON line each."""

from __future__ import annotations

import json
from pathlib import Path

from targets import print_target

LOADS = ("one text, ms", "batch of 32, ms", "stream, texts/s")
INT8 = ("int8", "int8_tensor")
TEACHER = "teacher's pipeline"


def report_student(run: Path, teacher: Path, found: dict[str, dict[str, float]]) -> None:
    """How much faster a student's default variant is than its teacher's pipeline, and how much worse."""
    exported, taught = (json.loads((one / "metrics.json").read_text()) for one in (run, teacher))
    variants = json.loads((run / "export.json").read_text())["variants"]
    metric = taught["metric"]
    best = taught["splits"]["test"]["metrics"][metric]["value"]
    assert exported["metric"] == metric
    for kind in (kind for kind in INT8 if f"ours {kind}" in found):
        times = found[f"ours {kind}"][LOADS[2]] / found[TEACHER][LOADS[2]]
        print_target(f"{kind} student against the teacher's pipeline, stream", times, 8)
        lost = 100 * (best - variants[kind]["test"]["metrics"][metric]["value"])
        print_target(f"points of {metric} that the {kind} student has less", lost, 1, at_most=True)


def report(found: dict[str, dict[str, float]], cold: float) -> None:
    """One JSON line a target, of those whose contenders were measured."""
    single, _, stream = LOADS
    for kind in INT8:
        if {f"ours {kind}", "transformers pipeline"} <= found.keys():
            ours, theirs = found[f"ours {kind}"], found["transformers pipeline"]
            against = f"{kind} Pipeline against the transformers pipeline"
            fewest = min(
                found[name][single] for name in (f"ours {kind}", f"ours {kind} latency") if name in found
            )
            print_target(f"{against}, one text", theirs[single] / fewest, 6)
            print_target(f"{against}, stream", ours[stream] / theirs[stream], 8)
    if {"ours int8", "bare int8"} <= found.keys():
        ours, bare = found["ours int8"], found["bare int8"]
        over = "overhead over session and tokenizer"
        print_target(f"{over}, one text, %", 100 * (ours[single] / bare[single] - 1), 5, at_most=True)
        print_target(f"{over}, stream, %", 100 * (bare[stream] / ours[stream] - 1), 5, at_most=True)
    print_target("cold start, ms", cold, 400, at_most=True)
