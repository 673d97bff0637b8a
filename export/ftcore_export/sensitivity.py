"""Which operators int8 hurts: each is quantised alone, and the fewest that must stay in float are searched for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx

from ftcore_export.quantize import quantizable, quantize_int8

#: Role of a graph, and the name of an operator in it.
Operator: TypeAlias = tuple[str, str]
Graphs: TypeAlias = Mapping[str, Path]


def mix(graphs: Graphs, keep: Sequence[Operator], folder: Path) -> dict[str, Path]:
    """int8 graphs in which the operators `keep` stay in float."""
    return {
        role: quantize_int8(
            path, folder / f"{role}.int8_mixed.onnx", [name for owner, name in keep if owner == role]
        )
        for role, path in graphs.items()
    }


def rank(
    graphs: Graphs, outputs: Callable[[Graphs], Mapping[str, np.ndarray]], folder: Path
) -> list[Operator]:
    """Every operator that int8 would replace, the one that moves the outputs most first.

    Args:
        graphs: role -> fp32 graph.
        outputs: runs graphs on real rows; name -> array.
    """
    reference = outputs(graphs)
    operators = [(role, name) for role, path in graphs.items() for name in quantizable(onnx.load(path))]
    moved = {}
    for operator in operators:
        others = [other for other in operators if other != operator]
        moved[operator] = _distance(reference, outputs(mix(graphs, others, folder)))
    return sorted(operators, key=lambda operator: -moved[operator])


def fewest(ranked: Sequence[Operator], good: Callable[[Sequence[Operator]], bool]) -> list[Operator]:
    """The shortest head of `ranked` that is `good` to keep, by bisection: all of it is taken to be good.

    Metrics of real rows are not quite monotone, so a shorter head may exist; the one returned was tried.
    """
    if good([]):
        return []
    bad, enough = 0, len(ranked)
    while enough - bad > 1:
        middle = (bad + enough) // 2
        if good(ranked[:middle]):
            enough = middle
        else:
            bad = middle
    return list(ranked[:enough])


def _distance(reference: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> float:
    """Mean absolute difference in standard deviations, over everything finite."""
    total = 0.0
    for name, wanted in reference.items():
        finite = np.isfinite(wanted)
        spread = max(float(wanted[finite].std()), 1e-12)
        total += float(np.abs(found[name][finite] - wanted[finite]).mean()) / spread
    return total
