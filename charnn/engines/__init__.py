"""Engines: what computes the updates of a run. `charnn.engines.engine` has their protocol."""
