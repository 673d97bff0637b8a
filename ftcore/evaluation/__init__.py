"""Measuring: outputs of a model, answers of the runtime's decoder, metrics with intervals."""
