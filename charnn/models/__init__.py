"""Models: what the layers of `charnn.nn` are put together to."""
