"""Drafting: from a file of rows never seen before to a commented task file, as `ftcore init` writes it."""
