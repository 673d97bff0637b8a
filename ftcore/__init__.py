"""ftcore: one YAML file in, a measured and tested ONNX bundle out."""

__version__ = "0.1.0"
