"""Generation: text drawn from a trained model."""
