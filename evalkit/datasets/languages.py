"""Languages as data sets name them: by a code, or by a name."""

import re

from evalkit.errors import ConfigurationError
from evalkit.text import resolve_language

_CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")


def language_code(name: str) -> str | None:
    """Return the code of a language given by its code or its name, or None if it is neither.

    A code is returned as it is, also one of a language that cannot be normalised.

    >>> language_code("Mandarin Chinese"), language_code("zh-Hant-HK"), language_code("Klingon")
    ('zh', 'zh-Hant-HK', None)
    """
    name = name.strip()
    if _CODE.fullmatch(name):
        return name
    try:
        return resolve_language(name)
    except ConfigurationError:
        return None
