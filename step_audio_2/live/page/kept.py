"""The conversations that are held now, kept on disk for their users to take along, and gone with them."""

import io
import secrets
import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from step_audio_2.live.dialogue import Dialogue
from step_audio_2.live.recorded import Recorded
from step_audio_2.live.saved import FILE, About


class KeptConversations:
    """Conversations by names that nobody can guess.

    Each is a folder as ``step_audio_2.live.saved`` describes it.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="chat-")
        self._names: set[str] = set()

    def keep(self, dialogue: Dialogue, about: About) -> tuple[Dialogue, str]:
        """Keep what is said in a dialogue from now on.

        Args:
            dialogue: that has just begun.
            about: what it is held with.

        Returns:
            The dialogue to be used in its place, and its name.
        """
        name = secrets.token_urlsafe(16)
        recorded = Recorded(dialogue, self._of(name), about)
        self._names.add(name)
        return recorded, name

    def archive(self, name: str) -> bytes | None:
        """Pack a conversation, as it is now, into a ZIP archive; None if there is none of this name."""
        if name not in self._names:
            return None
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            # No other: one that is being written has another name until it is whole.
            for path in sorted([self._of(name) / FILE, *self._of(name).glob("*.wav")]):
                archive.write(path, f"conversation/{path.name}")
        return packed.getvalue()

    def forget(self, name: str) -> None:
        """Delete a conversation, if there is one of this name."""
        if name in self._names:
            self._names.remove(name)
            shutil.rmtree(self._of(name), ignore_errors=True)

    def close(self) -> None:
        """Delete all that is left."""
        self._names.clear()
        self._folder.cleanup()

    def _of(self, name: str) -> Path:
        return Path(self._folder.name) / name
