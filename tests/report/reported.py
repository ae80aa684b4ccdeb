"""What the tests' reports are on: a tiny run, and its text."""

from __future__ import annotations

TEXT = "The tide comes in, <b>and</b> the tide goes out & back.\n" * 20
TINY = {"hidden_size": 6, "steps": 40, "eval_every": 20, "batch_size": 2, "seq_length": 8}
