"""Training: a generator of events over a model, a corpus and a run folder."""
