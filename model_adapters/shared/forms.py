"""Settings and recordings in the form in which forms and URLs have them."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp


def form_fields(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each field: of a list one for each member, none for None."""
    for name, value in settings.items():
        for each in value if isinstance(value, list | tuple) else [value]:
            if each is not None:
                yield name, each if isinstance(each, str) else json.dumps(each)


def form(settings: Mapping[str, Any], file_field: str, wav: bytes) -> "aiohttp.FormData":
    """Return a form whose last field is a recording.

    Args:
        settings: the fields before it.
        file_field: its name.
        wav: the recording, a WAV file.
    """
    import aiohttp

    data = aiohttp.FormData()
    for name, value in form_fields(settings):
        data.add_field(name, value)
    data.add_field(file_field, wav, filename="audio.wav", content_type="audio/wav")
    return data
