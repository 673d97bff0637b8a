"""One run of one graph for each batch of features: how every family but text generation answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.decoders.base import Prepared
from ftcore_runtime.encoding import TextEncoder, filled
from ftcore_runtime.errors import InputError
from ftcore_runtime.outputs import join_batches, restore_order
from ftcore_runtime.parallel_batches import in_parallel, share_out
from ftcore_runtime.session import GraphSession


class OnePass:
    """Runs a graph over features, in batches of like length.

    Args:
        session: the graph, open.
        outputs: names of the graph's outputs that are wanted.
        by_token: whether their second axis is that of the tokens.
        parallelism: batches that run at a time.
    """

    def __init__(
        self,
        session: GraphSession,
        encoder: TextEncoder,
        outputs: Sequence[str],
        by_token: bool,
        parallelism: int,
    ) -> None:
        self.session = session
        self._encoder = encoder
        self._outputs = outputs
        self._by_token = by_token
        self._parallelism = parallelism

    def run(self, prepared: Prepared, batch_size: int, *, scored: bool = False) -> dict[str, np.ndarray]:
        """See `Runner.run`; scores are in the outputs anyway."""
        encoded, side = prepared.encoded, self._encoder.config.pad_side
        shares = share_out(encoded.lengths, batch_size, self._parallelism)
        batches = in_parallel(
            lambda indices: self.session.run(self._encoder.collate(encoded, indices)),
            shares,
            self._parallelism,
        )
        order = np.concatenate(shares)
        lengths = encoded.lengths[order] if self._by_token else None
        made = {}
        for name in self._outputs:
            rows = join_batches([batch[name] for batch in batches], lengths, side)
            require_finite(rows, prepared.row[order], lengths)
            made[name] = restore_order(rows, order)
        return made


def require_finite(rows: np.ndarray, inputs: NDArray[np.int64], lengths: NDArray[np.int64] | None) -> None:
    """Refuse outputs that are not finite, except in padding: no answer can be made of them."""
    finite = np.isfinite(rows)
    if lengths is not None:
        finite[~filled(lengths, rows.shape[1])] = True
    good = finite.reshape(len(rows), -1).all(axis=1)
    if not good.all():
        where = f"input {int(inputs[~good].min())}"
        raise InputError("the model gives no finite number for it", where=where)
