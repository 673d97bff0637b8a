"""Data: sources of any format -> checked, split, memory-mapped rows with a location for every one."""

from __future__ import annotations

from ftcore.data.load import Fingerprint, Report, Splits, load_splits
from ftcore.data.tables import Split

__all__ = ["Fingerprint", "Report", "Split", "Splits", "load_splits"]
