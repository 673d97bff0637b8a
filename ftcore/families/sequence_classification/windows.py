"""How the spec has texts read that are longer than the model reads at a time, as training and bundle do it."""

from __future__ import annotations

from ftcore.families.sequence_classification.spec import SequenceClassificationModel
from ftcore_runtime.pooled_windows import PooledWindows


def pooled_windows(model: SequenceClassificationModel) -> PooledWindows | None:
    """Of the spec's `model.windows`; None where texts are cut."""
    windows = model.windows
    return None if windows is None else PooledWindows(windows.stride, windows.pool)
