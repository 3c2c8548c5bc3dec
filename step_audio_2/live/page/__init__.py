"""The assistant in the browser: a small server, and a page that listens, shows and speaks.

``server`` serves the page and one WebSocket to each user; behind it a ``Talk`` holds that user's conversation with an
``Agent``. What goes over the wire stands in ``messages``.
"""
