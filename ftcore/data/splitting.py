"""Which rows go where: splits held out of the training rows, and samples of a split. Indices only, no files.

Rows with equal group keys stay together; label shares stay equal when asked. The same rows and seed always
give the same splits, in every process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ftcore.errors import DataError
from ftcore_runtime.ranges import places_within


@dataclass(frozen=True)
class HeldOut:
    """Row indices (int64, ascending) of each held-out split and of what is left to train on.

    Args:
        requested: rows of each split that were aimed at.
    """

    train: np.ndarray
    held_out: Mapping[str, np.ndarray]
    requested: Mapping[str, int]


def rows_requested(requested: float | int, rows: int, name: str) -> int:
    """Number of rows that a share (rounded, at least one row) or number of `rows` means.

    Raises:
        DataError: no rows are asked for.
    """
    if requested == 0:
        hint = f"give a share or a number above 0, or a file in data.{name}"
        raise DataError(
            "0 would hold out no rows, and a run needs some", where=f"data.split.{name}", hint=hint
        )
    return requested if isinstance(requested, int) else max(1, round(requested * rows))


@dataclass(frozen=True)
class Memberships:
    """Which rows have which labels: pairs of a row and a label of it, both int64 [pairs]."""

    rows: np.ndarray
    labels: np.ndarray


def hold_out(
    groups: np.ndarray,
    strata: np.ndarray | None,
    sizes: Mapping[str, int],
    seed: int,
    members: Memberships | None = None,
    inputs: str = "inputs",
    hint: str = "give the splits as files",
) -> HeldOut:
    """Hold splits out of the rows.

    Without repeated groups every split has exactly the rows asked for. A group is taken whole and only where
    it fits, so with repeats a split may have a few rows less; one that would be empty gets a small group.
    Training keeps at least one group of every class; where classes are too small to allow for that, the
    split is not stratified.

    Args:
        groups: int64 [rows]: group of each row, 0 .. groups - 1.
        strata: int64 [rows]: class of each row, or None. A group has the class of its first row.
        sizes: split -> number of rows.
        members: labels of which training keeps a row each; where that leaves too few rows to hold out as many as
            asked for, the splits are smaller.
        inputs, hint: what the groups are, and what to do where there are too few; for messages.

    Raises:
        DataError: too few rows or groups.
    """
    rows, wanted = len(groups), sum(sizes.values())
    if wanted >= rows:
        requested = " and ".join(f"{size:,} for {name}" for name, size in sizes.items())
        raise DataError(
            f"{rows:,} rows are too few to hold out {requested} and train on the rest",
            where="data.split",
            hint="ask for fewer rows, or give the splits as files",
        )
    _, first, size = np.unique(groups, return_index=True, return_counts=True)
    if len(size) <= len(sizes):
        raise DataError(
            f"there are {len(size):,} different {inputs} only, and rows with an equal one stay together",
            where="data.split",
            hint=hint,
        )
    order = np.random.default_rng([seed, 0]).permutation(len(size))
    classes = _dense(strata[first]) if strata is not None else np.zeros(len(size), np.int64)
    if members is not None:
        kept = _covering(order, groups, members)
        sizes = _within(sizes, int(size.sum() - size[kept].sum()), len(size) - len(kept))
    else:
        kept = _one_of_each(order, classes)
    if members is None and wanted > size.sum() - size[kept].sum():
        classes = np.zeros(len(size), np.int64)
        kept = _one_of_each(order, classes)
    taken = np.zeros(len(size), bool)
    taken[kept] = True  # by training
    weights = np.bincount(classes, weights=size).astype(np.int64)
    chosen: dict[str, np.ndarray] = {}
    for name, target in sizes.items():
        room = np.bincount(classes[~taken], weights=size[~taken], minlength=len(weights)).astype(np.int64)
        chosen[name] = _fill(order, classes, size, taken, allocate(target, weights, room))
    taken[kept] = members is not None
    for name in chosen:
        if not len(chosen[name]):
            free = order[~taken[order]]
            if len(free) > (members is None):
                pool = free
            else:  # leave it to training; there are more groups than splits, so another split has two
                donor = max(chosen, key=lambda other: len(chosen[other]))
                pool = chosen[donor]
            smallest = pool[np.argmin(size[pool])]
            for other, groups_of in chosen.items():
                chosen[other] = groups_of[groups_of != smallest]
            chosen[name] = np.array([smallest])
            taken[smallest] = True
    split_of = np.full(len(size), -1)
    for number, groups_of in enumerate(chosen.values()):
        split_of[groups_of] = number
    split_of_row = split_of[groups]
    return HeldOut(
        np.flatnonzero(split_of_row == -1),
        {name: np.flatnonzero(split_of_row == number) for number, name in enumerate(chosen)},
        sizes,
    )


def _within(sizes: Mapping[str, int], rows: int, groups: int) -> dict[str, int]:
    """The sizes, smaller where only so many rows (in so many groups) can be held out.

    Raises:
        DataError: not one row for each split.
    """
    if groups < len(sizes):
        raise DataError(
            "training needs a row of every label, which leaves too few rows to hold out any",
            where="data.split",
            hint="list the labels in `data.labels` if they need no row of their own, or give the splits as files",
        )
    wanted = np.array(list(sizes.values()), np.int64)
    if wanted.sum() <= rows:
        return dict(sizes)
    shares = np.maximum(allocate(rows, wanted, wanted), 1)
    shares[np.argmax(shares)] -= max(0, shares.sum() - rows)
    return dict(zip(sizes, shares.tolist(), strict=True))


def _covering(order: np.ndarray, groups: np.ndarray, members: Memberships) -> np.ndarray:
    """Groups with a row of every label: of each label, rarest first, its first group in `order` unless it has one."""
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    group = groups[members.rows]
    by_rank = np.lexsort((rank[group], members.labels))
    labels, first, count = np.unique(members.labels[by_rank], return_index=True, return_counts=True)
    by_group = np.argsort(group, kind="stable")
    start = np.searchsorted(group[by_group], np.arange(len(order) + 1))
    covered: set[int] = set()
    kept: list[int] = []
    for index in np.argsort(count, kind="stable").tolist():
        if int(labels[index]) not in covered:
            one = int(group[by_rank[first[index]]])
            kept.append(one)
            covered.update(members.labels[by_group[start[one] : start[one + 1]]].tolist())
    return np.array(kept, np.int64)


def with_every_label(drawn: np.ndarray, rows: np.ndarray, members: Memberships, seed: int) -> np.ndarray:
    """A sample with a row of every label that `rows` have, as far as its size goes; the sample itself if it has them.

    Args:
        drawn: int64, ascending: indices into `rows`.
        rows: int64, ascending: the rows sampled from.
    """
    position = np.full(int(max(members.rows.max(initial=-1), rows.max(initial=-1))) + 1, -1, np.int64)
    position[rows] = np.arange(len(rows))
    inside = position[members.rows] >= 0
    own = Memberships(position[members.rows[inside]], members.labels[inside])
    held = np.isin(own.rows, drawn)
    if len(np.unique(own.labels[held])) == len(np.unique(own.labels)):
        return drawn
    order = np.random.default_rng([seed, 9]).permutation(len(rows))
    kept = _covering(order, np.arange(len(rows)), own)
    if len(kept) > len(drawn):
        return drawn
    others = np.setdiff1d(drawn, kept)
    rest = np.random.default_rng([seed, 10]).permutation(others)[: len(drawn) - len(kept)]
    return np.sort(np.concatenate([kept, rest]))


def sample(rows: int, strata: np.ndarray | None, size: int, seed: int, stream: int) -> np.ndarray:
    """Indices (int64, ascending) of `size` of `rows` rows, with the label shares of all.

    Args:
        stream: tells the draws of one seed apart.
    """
    if size >= rows:
        return np.arange(rows)
    order = np.random.default_rng([seed, stream]).permutation(rows)
    if strata is None:
        return np.sort(order[:size])
    classes = _dense(strata)
    quota = allocate(size, np.bincount(classes), np.bincount(classes))
    by_class = order[np.argsort(classes[order], kind="stable")]
    rank = places_within(np.bincount(classes))
    return np.sort(by_class[rank < quota[classes[by_class]]])


def fold_of(groups: np.ndarray, strata: np.ndarray | None, folds: int, seed: int) -> np.ndarray:
    """Fold of each row of a cross-validation, int64 [rows], 0 .. folds - 1.

    Groups are dealt out one after another, class by class: no fold has more than one group more of a class than
    another has.

    Args:
        groups, strata: see `hold_out`.
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    order = np.random.default_rng([seed, 11]).permutation(len(first))
    if strata is not None:
        order = order[np.argsort(strata[first][order], kind="stable")]
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(first)) % folds
    return fold[group]


def allocate(total: int, weights: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Share `total` out by `weights`: largest remainder, no more than `room` each (all int64)."""
    ideal = total * weights / max(weights.sum(), 1)
    share: np.ndarray = np.minimum(np.floor(ideal).astype(np.int64), room)
    while (short := total - int(share.sum())) > 0:
        open_ = np.flatnonzero(share < room)
        if not len(open_):
            break
        share[open_[np.argsort(share[open_] - ideal[open_], kind="stable")][:short]] += 1
    return share


def _dense(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1]


def _one_of_each(order: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The first group of each class in `order`."""
    return order[np.unique(classes[order], return_index=True)[1]]


def _fill(
    order: np.ndarray, classes: np.ndarray, size: np.ndarray, taken: np.ndarray, quota: np.ndarray
) -> np.ndarray:
    """Take, in order, every free group that still fits the quota of its class; marks them in `taken`."""
    left, to_take, sizes = quota.tolist(), int(quota.sum()), size.tolist()
    free = order[~taken[order]]
    chosen = []
    for group, kind in zip(free.tolist(), classes[free].tolist(), strict=True):
        if to_take == 0:
            break
        if sizes[group] <= left[kind]:
            left[kind] -= sizes[group]
            to_take -= sizes[group]
            chosen.append(group)
    made = np.array(chosen, np.int64)
    taken[made] = True
    return made
