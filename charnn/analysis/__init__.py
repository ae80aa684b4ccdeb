"""Inside a trained model: models and texts in, numbers out."""
