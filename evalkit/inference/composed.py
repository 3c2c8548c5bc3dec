"""The endpoint of a model whose answers the chains put together themselves: a cascade."""

from collections.abc import Sequence

from evalkit.adapter import Capabilities
from evalkit.inference.endpoint import ModelFacts
from evalkit.types import Call, Response


class ComposedEndpoint:
    """Gives out the answers that calls bring along, so that they are kept like any model's; see ``Endpoint``.

    Args:
        role: whose calls it answers.
        stages: the roles that the answers are put together from.
    """

    def __init__(self, role: str, stages: Sequence[str]) -> None:
        self.role = role
        self._facts = ModelFacts(
            Capabilities(sample_rate=None, speech_output=True, tools=True),
            {"adapter": "cascade", "stages": list(stages)},
        )

    async def facts(self) -> ModelFacts:
        """Return that anything can be asked: what a stage cannot be asked, that stage says."""
        return self._facts

    async def answer(self, call: Call) -> Response:
        """Return the answer that the call brings along."""
        assert call.answer is not None  # noqa: S101 - chains ask a cascade nothing that its stages have not answered
        return call.answer

    def expect_more(self, whether: bool) -> None:
        """Take no note: nothing waits here."""

    async def close(self) -> None:
        """Do nothing: nothing is open."""
