"""Tasks: what can be learned. `charnn.tasks.task` says what a task is."""
