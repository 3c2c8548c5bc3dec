"""The errors that evalkit raises on purpose, each printed to the user as one line."""


class EvalkitError(Exception):
    """Base of every expected error; the command line prints its message without a traceback."""


class ConfigurationError(EvalkitError):
    """A setting, name, path or installed library that makes the run impossible as asked."""


class DataError(EvalkitError):
    """A data set that cannot be read: a missing file, a malformed row, a duplicate id."""


class AudioError(DataError):
    """One audio file that cannot be read, is truncated or holds no samples."""


class StoreError(EvalkitError):
    """A run folder that cannot be read or written."""
