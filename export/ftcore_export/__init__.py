"""From torch to ONNX: graphs, int8, parity, and the bundle folder. Needs torch and onnx."""
