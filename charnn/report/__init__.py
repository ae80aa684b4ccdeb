"""The report on a trained language model: one page that stands alone."""
