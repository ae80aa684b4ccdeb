"""Compression: the language model as an integer network, the coder, and the file."""
