"""What a service takes in one request, checked before anything is sent."""

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.adapter import check_numbers
from evalkit.errors import PermanentError


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The most that one request may hold, as far as a service says; None for no bound that is known.

    Attributes:
        recordings: how many recordings, those of earlier turns included.
        recording_bytes: of one recording, as it is sent, which is a third more than its file where that is base64.
        request_bytes: of the whole body.
    """

    recordings: int | None = None
    recording_bytes: int | None = None
    request_bytes: int | None = None

    def __post_init__(self) -> None:
        check_numbers("request_limits", self, above_zero=True)

    def check(self, recordings: Sequence[int], request: int) -> None:
        """Refuse a request that the service would refuse.

        Args:
            recordings: the bytes of each, as they are sent.
            request: the bytes of the whole body.

        Raises:
            PermanentError: says which bound it is beyond.
        """
        for name, held, most, what in (
            ("recordings", len(recordings), self.recordings, "recordings"),
            ("recording_bytes", max(recordings, default=0), self.recording_bytes, "bytes in one recording"),
            ("request_bytes", request, self.request_bytes, "bytes in all"),
        ):
            if most is not None and held > most:
                raise PermanentError(f"not sent: {held} {what}, the service takes {most} (request_limits.{name})")
