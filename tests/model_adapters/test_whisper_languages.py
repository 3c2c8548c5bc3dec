"""Which languages a Whisper checkpoint is asked in."""

import pytest

from model_adapters.whisper.languages import language_token, understood_languages


def test_a_checkpoint_with_chinese_is_asked_in_the_varieties_it_has_no_token_for() -> None:
    assert understood_languages(["en", "zh"]) == {"en", "zh", "yue", "wuu", "nan"}
    assert understood_languages(["en"]) == {"en"}


@pytest.mark.parametrize(
    ("language", "tokens", "expected"),
    [
        ("yue", ("en", "zh"), "zh"),
        ("yue", ("en", "zh", "yue"), "yue"),
        ("wuu", ("en", "zh", "yue"), "zh"),
        ("de", ("de", "zh"), "de"),
        (None, ("en", "zh"), None),
    ],
)
def test_the_token_of_a_language(language: str | None, tokens: tuple[str, ...], expected: str | None) -> None:
    assert language_token(language, tokens) == expected
