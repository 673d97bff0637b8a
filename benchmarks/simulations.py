"""What intervals and comparisons promise, against simulations whose truth is known. A minute on one core.

    python benchmarks/simulations.py

- Wilson's interval at a nominal 95 %: how often it holds the true share, over shares drawn evenly from 0 to 1, at 5,
  20, 100 and 1,000 rows.
- Two runs of one model (the same chance of each row to be right): how many of 100 pairs are "no clear difference".
- Two models 3 points apart on 2,000 rows: in how many of 100 pairs the better one is found. One run knows most of what
  the other knows, as two trainings on the same rows do.
- A temperature on validation rows of models that need none: how often it is left out, and what it does to the log loss
  of other rows where it is kept.

Every figure comes from the functions that a run calls. Targets are the last lines, one JSON object each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from targets import print_target

from ftcore.evaluation.comparison import paired, sentence
from ftcore.evaluation.intervals import proportion
from ftcore.families.policies import choose_temperature
from ftcore.spec.policy import PolicySpec

#: Name, value and bar; and whether the bar is from above.
Target: TypeAlias = tuple[str, float, float, bool]

DRAWS, PAIRS, ROWS = 20_000, 100, 2_000


def main() -> None:
    """Run all of them."""
    reached = [
        print_target(name, value, bar, at_most=at_most)
        for name, value, bar, at_most in (*_wilson(), *_comparisons(), *_temperatures())
    ]
    raise SystemExit(0 if all(reached) else 3)


def _wilson() -> Iterator[Target]:
    for rows in (5, 20, 100, 1_000):
        rng = np.random.default_rng(rows)
        shares = rng.random(DRAWS)
        bounds = {hits: proportion(hits, rows, 0.95) for hits in range(rows + 1)}
        drawn = rng.binomial(rows, shares).tolist()
        held = [
            bounds[hits].low <= share <= bounds[hits].high for hits, share in zip(drawn, shares, strict=True)
        ]
        coverage = float(np.mean(held))
        print(json.dumps({"wilson": rows, "nominal": 0.95, "coverage": round(coverage, 4), "draws": DRAWS}))
        yield f"Wilson at {rows} rows: distance of its coverage from 0.95", abs(coverage - 0.95), 0.02, True


def _comparisons() -> Iterator[Target]:
    rng = np.random.default_rng(0)
    unclear = 0
    for _ in range(PAIRS):
        chance = 1 - 0.3 * rng.random(ROWS)  # of each row to be right, in either run
        found = paired(rng.random(ROWS) < chance, rng.random(ROWS) < chance)
        unclear += sentence("a", "b", found, found.p_value).startswith("no clear difference")
    yield "pairs of 100 of one model's runs with no clear difference", unclear, 90, False
    better = 0
    for _ in range(PAIRS):
        first = rng.random(ROWS) < 0.85
        flipped = rng.random(ROWS)
        second = np.where(first, flipped > 0.035, flipped < 0.4)  # 0.85 -> 0.88
        found = paired(first, second)
        better += sentence("a", "b", found, found.p_value).startswith("b is better than a")
    yield "pairs of 100 with 3 points on 2,000 rows where the better one is found", better, 80, False


def _temperatures() -> Iterator[Target]:
    kept, changes = 0, []
    for seed in range(PAIRS):
        rng = np.random.default_rng(seed)
        logits = rng.normal(loc=-4.0, size=(ROWS + 440, 6))
        right = 1 / (1 + np.exp(-logits)) > rng.random(logits.shape)
        temperature, _ = choose_temperature(PolicySpec(), logits[ROWS:], right[ROWS:])
        kept += temperature != 1.0
        losses = [
            np.logaddexp(0, np.where(right[:ROWS], -logits[:ROWS], logits[:ROWS]) / divisor).mean()
            for divisor in (1.0, temperature)
        ]
        changes.append(losses[1] - losses[0])
    mean = float(np.mean(changes))
    print(json.dumps({"temperatures kept": kept, "of": PAIRS, "mean change of the log loss": round(mean, 6)}))
    yield "runs of 100 that need no temperature and get none", PAIRS - kept, 70, False
    yield "log loss that the temperatures kept cost on other rows, mean", mean, 2e-4, True


if __name__ == "__main__":
    main()
