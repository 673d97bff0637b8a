"""Trackers as observers: what a run does, in MLflow, TensorBoard, Trackio or Weights & Biases. Each is an extra."""
