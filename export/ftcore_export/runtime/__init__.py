"""The ground floor: numpy, onnxruntime and tokenizers alone. What evaluation measures is what this serves."""
