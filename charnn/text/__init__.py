"""Characters in: vocabulary, corpus, and the batches that training reads."""
