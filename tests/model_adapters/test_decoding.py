"""Decoding settings of requests, and the seeds of what is sampled."""

from collections.abc import Mapping
from typing import Any

import pytest

from evalkit.errors import ConfigurationError
from evalkit.types import Message, Request
from model_adapters.shared.decoding import decoding_settings, request_seed


def settings_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    return decoding_settings(settings, model="a model")


def test_decoding_settings_mean_what_they_mean_elsewhere() -> None:
    greedy = {"do_sample": False}
    assert settings_of({}) == greedy
    assert settings_of({"temperature": 0, "top_p": 0.5}) == greedy
    assert settings_of({"do_sample": False, "temperature": 0.7}) == greedy
    assert settings_of({"temperature": 0.7}) == {"do_sample": True, "temperature": 0.7}
    assert settings_of({"stop": "x", "max_new_tokens": 5}) == {
        "max_new_tokens": 5,
        "do_sample": False,
        "stop_strings": ["x"],
    }
    with pytest.raises(
        ConfigurationError, match="'temprature' is no decoding setting of a model, did you mean 'temperature'"
    ):
        settings_of({"temprature": 1})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0; it must be a whole number, at least 1"),
        ({"max_new_tokens": None}, "max_new_tokens is None; it must be a whole number, at least 1"),
        ({"max_new_tokens": 2.5}, "max_new_tokens is 2.5; it must be a whole number, at least 1"),
        ({"max_new_tokens": [5]}, r"max_new_tokens is \[5\]; it must be a whole number, at least 1"),
        ({"top_k": 2.5}, "top_k is 2.5; it must be a whole number, at least 0"),
        ({"temperature": -1}, "temperature is -1; it must be at least 0"),
        ({"temperature": "hot"}, "temperature is 'hot'; it must be at least 0"),
        ({"top_p": 1.5}, "top_p is 1.5; it must be above 0 and at most 1"),
        ({"num_beams": 0}, "num_beams is 0; it must be a whole number, at least 1"),
        ({"do_sample": "yes"}, "do_sample is 'yes'; it must be true or false"),
        ({"stop": ""}, "stop is ''; it must be a text or several"),
        ({"stop": 5}, "stop is 5; it must be a text or several"),
        ({"stop": ["a", ""]}, r"stop is \['a', ''\]; it must be a text or several"),
        ({"num_beams": 2, "temperature": 0.7}, "beams cannot be sampled"),
    ],
)
def test_a_decoding_setting_out_of_its_range_stops_the_run(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        settings_of(settings)


def test_a_setting_that_a_model_has_no_use_for_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'stop' is no decoding setting of Voxtral; there are max_new_tokens$"):
        decoding_settings({"stop": "x"}, model="Voxtral", known=("max_new_tokens",))


def test_seeds_depend_on_what_is_asked_on_the_run_and_on_the_number_of_the_answer_alone() -> None:
    request = Request((Message("user", ("Hello.",)),), task="a", sample_id="1")
    elsewhere = Request((Message("user", ("Hello.",)),), task="b", sample_id="2")
    other = Request((Message("user", ("Goodbye.",)),))
    seeds = [request_seed(request, 0), request_seed(request, 1), request_seed(request, 0, 1), request_seed(other, 0)]
    assert len(set(seeds)) == 4
    assert request_seed(elsewhere, 0) == seeds[0]
    assert all(0 <= seed < 2**63 for seed in seeds)
