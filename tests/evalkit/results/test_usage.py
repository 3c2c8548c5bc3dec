"""What the calls of a run took, added up."""

from evalkit.results.usage import RoleUsage, usage_lines
from evalkit.types import Failure, Response, Usage


def test_the_time_to_the_first_sound_is_that_of_streamed_answers() -> None:
    usage = RoleUsage()
    for response in (
        Response(first_sound=0.5),
        Response(first_sound=1.5),
        Response(),
        Response(first_sound=9.0, cached=True),
        Response(failure=Failure("error", "no")),
    ):
        usage.add(response)
    again = RoleUsage.from_json(usage.to_json())
    assert again == usage
    lines = usage_lines({"one": {"model": usage.to_json()}, "other": {"model": again.to_json()}})
    assert lines == [
        "  model: 0 requests for 8 calls; 2 answers from the cache (0 requests saved); "
        "first sound after 1.00 s on average"
    ]


def test_a_model_in_this_process_that_does_not_stream_has_no_line() -> None:
    usage = RoleUsage()
    usage.add(Response(usage=Usage(input_tokens=3, output_tokens=2)))
    assert usage_lines({"one": {"model": usage.to_json()}}) == []
    assert "streamed" not in usage.to_json()
