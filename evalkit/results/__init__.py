"""A run folder and what it holds: responses, scores, metrics, provenance; and comparing runs."""
