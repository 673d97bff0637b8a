"""The gates of `export.gates`: what a measured variant fails, and which of those that pass answers by default."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ftcore.spec.export import GatesSpec
from ftcore_export.invariance import Invariance
from ftcore_export.parity import Parity
from ftcore_export.speed import Speed


@dataclass(frozen=True)
class Measured:
    """One variant, measured through the runtime that serves it.

    Args:
        bytes: of its graphs.
        parity: against torch.
        validation, test: metric -> value (and interval, for the test), as metrics.json has it.
        note: what is to be known of how it was made.
        failures: what it does not meet, a sentence each.
        decoder: settings of the decoder that were chosen by its own answers, where they are not those of the run.
        policy: what its policy is worth on the test rows, as metrics.json has it; empty without one.
    """

    bytes: int
    parity: Parity
    validation: Mapping[str, Any]
    test: Mapping[str, Any]
    speed: Speed
    invariance: Invariance
    note: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    decoder: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As export.json has it."""
        return {
            "bytes": self.bytes,
            "parity": self.parity.to_json(),
            "validation": self.validation,
            "test": self.test,
            "speed": self.speed.to_json(),
            "batch_invariant": self.invariance.holds,
            "invariance": self.invariance.to_json(),
            **self.note,
            **({"decoder": self.decoder} if self.decoder else {}),
            **({"policy": self.policy} if self.policy else {}),
            "failures": list(self.failures),
        }

    def to_card(self) -> dict[str, Any]:
        """What the model card says of a variant that is not in the bundle."""
        return {
            "metrics": self.test,
            "parity": self.parity.summary(),
            "bytes": self.bytes,
            "batch_invariant": self.invariance.holds,
            "speed": self.speed.to_json(),
            "failures": list(self.failures),
        }


def drop(metric: str, reference: float, value: float, *, higher_is_better: bool, point: float) -> float:
    """Points by which `value` is worse than `reference`; below 0 where it is better."""
    if not math.isfinite(reference - value):
        return math.inf
    return (reference - value) / point * (1 if higher_is_better else -1)


def check(
    gates: GatesSpec,
    found: Measured,
    *,
    metric: str,
    dropped: float,
    higher_is_better: Callable[[str], bool],
) -> list[str]:
    """The gates that a variant fails, a sentence each.

    Args:
        metric: the task's own.
        dropped: points that it lost against fp32, by `drop`.
    """
    failures = []
    if gates.max_metric_drop is not None and not dropped <= gates.max_metric_drop:
        failures.append(f"{metric} drops by {dropped:.2f} points; allowed: {gates.max_metric_drop:g}")
    for name, bound in gates.min_metric.items():
        value = found.validation["metrics"][name]["value"]
        if not (value >= bound if higher_is_better(name) else value <= bound):
            failures.append(f"{name} is {value:.4f}; wanted: {bound:g}")
    for name in ("p50", "p95"):
        limit, taken = getattr(gates.max_latency_ms, name), getattr(found.speed, f"{name}_ms")
        if limit is not None and taken > limit:
            failures.append(f"{name} latency is {taken:.2f} ms; allowed: {limit:g}")
    if gates.max_size_mb is not None and found.bytes > gates.max_size_mb * 1e6:
        failures.append(f"has {found.bytes / 1e6:.1f} MB; allowed: {gates.max_size_mb:g}")
    if gates.batch_invariant and not found.invariance.holds:
        failures.append(
            f"answers depend on batch-mates: outputs move by {found.invariance.largest:.2g} standard deviations,"
            f" {found.invariance.changed} of {found.invariance.rows} answers change"
        )
    return failures


def choose(variants: Mapping[str, Measured], prefer: Literal["smallest", "fastest"]) -> str | None:
    """Name of the smallest, or the fastest at one text, of the variants without failures; None without any."""

    def cost(name: str) -> float:
        found = variants[name]
        return found.bytes if prefer == "smallest" else found.speed.p50_ms

    passing = [name for name, found in variants.items() if not found.failures]
    return min(passing, key=cost, default=None)
