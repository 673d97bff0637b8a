"""From torch to ONNX: graphs, int8, parity, and the bundle folder. Needs torch and onnx."""

import ftcore_runtime  # noqa: F401 (before onnxruntime, whose telemetry it switches off)
