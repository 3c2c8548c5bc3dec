"""Where the key to a server comes from."""

import os
import re
from pathlib import Path

from evalkit.errors import ConfigurationError, MissingKeyError

_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_key(variable: str | None, file: str | None) -> str:
    """Return the key from an environment variable or from a file, the latter if both are named; empty if neither is.

    Raises:
        MissingKeyError: there is none.
        ConfigurationError: what is there is no key; says so without repeating it.
    """
    if file is not None:
        source = f"api_key_file {file}"
        try:
            key = Path(file).expanduser().read_text(encoding="utf-8").strip()
        except OSError as error:
            if os.sep not in file:  # perhaps the key itself, given by mistake
                source = "api_key_file"
            raise MissingKeyError(f"{source}: cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise ConfigurationError(f"{source}: is not text") from None
        if not key:
            raise MissingKeyError(f"{source}: is empty")
    elif variable is not None:
        if not _VARIABLE_NAME.fullmatch(variable):
            raise ConfigurationError(
                "api_key_variable= must be the name of the environment variable that holds the key, not the key itself"
            )
        source = f"the environment variable {variable}"
        key = os.environ.get(variable, "").strip()
        if not key:
            raise MissingKeyError(
                f"no API key: set {source}, or name another by the model's setting api_key_variable, or a file that "
                "holds the key by api_key_file"
            )
    else:
        return ""
    if not (key.isascii() and key.isprintable() and " " not in key):  # it has to fit into a header
        raise ConfigurationError(f"{source}: must hold the key and nothing else, on one line")
    return key
