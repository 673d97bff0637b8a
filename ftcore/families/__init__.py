"""Families: shapes of model and output. Each is a value whose parts are imported by whoever needs them."""
