"""Tiny checkpoints in the published format, for tests."""
