"""The runtime: answers from a bundle, with numpy, onnxruntime and tokenizers alone; never torch.

`Pipeline` is imported on first use, so that `import ftcore_runtime` stays free of numpy and onnxruntime.

Since 1.29 onnxruntime on Linux and macOS sends telemetry to its maker (names and versions of models, errors) unless a
variable forbids it before the import. A service that answers people's texts does not; `ORT_DISABLE_TELEMETRY=0` allows
it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftcore_runtime.pipeline import Pipeline as Pipeline

__all__ = ["Pipeline"]

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> Any:  # noqa: ANN401 (PEP 562: whatever the name stands for)
    if name == "Pipeline":
        from ftcore_runtime.pipeline import Pipeline

        return Pipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
