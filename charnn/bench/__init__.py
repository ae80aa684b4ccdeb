"""Benchmarks: what this machine can do, what charnn makes of it, and what a peer does."""
