"""Offline scoring: every row of a file answered, in this process or in several."""
