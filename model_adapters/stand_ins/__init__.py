"""Adapters without a model: stored predictions, an echo, a judge that counts words."""
