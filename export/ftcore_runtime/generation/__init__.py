"""Writing texts token by token, in numpy: the same code over a torch model and over ONNX graphs."""
