"""The audit: what rows look like before anything is learnt from them, and what a training on them will take."""
