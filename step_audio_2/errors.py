"""What this package raises for input that cannot be used."""


class CheckpointError(ValueError):
    """A checkpoint folder lacks something, or holds something that does not fit; the message names it."""
