"""The far side of a model in another Python: plain types, frames over pipes, a loop. Needs nothing but numpy.

A model there is a class with ``generate``, from a list of ``Request`` to a list of ``Response``. All of this package
runs on Python 3.9 and later, whatever evalkit itself needs.
"""

from evalkit_worker.errors import ConfigurationError
from evalkit_worker.types import Message, Request, Response, Sound

__all__ = ["ConfigurationError", "Message", "Request", "Response", "Sound"]
