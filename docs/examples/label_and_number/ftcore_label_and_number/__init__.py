"""A family for ftcore: a label and a number for a text. Empty, so that a server imports the decoder alone."""
