"""Which base model to take: those that fit a task, and what those at hand are worth on its rows."""
