"""Formats of other programs: what goes out, and what comes in."""
