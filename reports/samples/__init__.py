"""Single samples of a task: what was right, what the model said, and where the two differ."""
