"""The runtime: answers from a bundle, with numpy, onnxruntime and tokenizers alone; never torch.

`Pipeline` is imported on first use, so that `import ftcore_runtime` stays free of numpy and onnxruntime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftcore_runtime.pipeline import Pipeline as Pipeline

__all__ = ["Pipeline"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (PEP 562: whatever the name stands for)
    if name == "Pipeline":
        from ftcore_runtime.pipeline import Pipeline

        return Pipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
