"""Base models: where they come from, and what of them is let in (safetensors and known config keys only)."""
