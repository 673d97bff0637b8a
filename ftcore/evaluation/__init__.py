"""Measuring: outputs of a model, answers of the ground floor's decoder, metrics with intervals."""
