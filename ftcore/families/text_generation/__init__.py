"""The family `text_generation`: a text for a text, by an encoder-decoder or a decoder alone."""
