"""What the calls of a run took, added up."""

from typing import Any

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


def test_of_a_model_in_this_process_that_does_not_stream_there_is_only_its_busy_share() -> None:
    usage = RoleUsage()
    usage.add(Response(usage=Usage(input_tokens=3, output_tokens=2)))
    assert usage_lines({"one": {"model": usage.to_json()}}) == []
    assert "streamed" not in usage.to_json()
    assert usage_lines({"one": {"model": usage.to_json()}}, {"model": 0.934}) == [
        "  model: busy 93% of the last session"
    ]


def test_the_stages_of_a_cascade_say_their_share_of_the_time() -> None:
    stages = {"asr": (Response(seconds=3.0), Response(seconds=9.0, cached=True)), "llm": (Response(seconds=1.0),)}
    tasks: dict[str, dict[str, Any]] = {"one": {}, "other": {}}
    for role, responses in stages.items():
        usage = RoleUsage()
        for response in responses:
            usage.add(response)
        for task in tasks.values():
            task[role] = usage.to_json()
    tasks["one"]["judge"] = tasks["one"]["llm"]
    assert usage_lines(tasks) == [
        "  asr: 75% of the cascade's time, 6.0 s for 2 calls; 0 requests for 2 calls; "
        "2 answers from the cache (0 requests saved)",
        "  llm: 25% of the cascade's time, 2.0 s for 2 calls",
    ]
