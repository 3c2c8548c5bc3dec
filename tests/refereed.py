"""A task of somebody's own, with a role and a kind of question that evalkit has never heard of."""

from typing import Any

from evalkit.chain import Chain
from evalkit.types import Call, Sample
from tasks.asr import Transcription


class RefereedTranscription(Transcription):
    """Transcribe, and have a referee look on."""

    roles = ("model", "referee")

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._referee = self._prompts.of("whistle", "referee")

    def chain(self, sample: Sample) -> Chain:
        yield Call("referee", self._referee.request((), language=None))
        return (yield from super().chain(sample))
