"""The fine-tuning engine: batches, optimizer, checkpoints, and one loop that drives any family."""
