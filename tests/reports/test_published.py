from decimal import Decimal

import pytest

from evalkit.errors import ConfigurationError
from reports.averages import recomputed_averages
from reports.published import PublishedFigure, load_published, select_published
from reports.tables.model import AVERAGES

FIRST, LATER = "2025-07-23 first release (seed README)", "2025-09-15 README (adds Step-Audio 2 mini)"


def test_counts_of_the_sources() -> None:
    figures = load_published()
    assert len(figures) == 929
    assert sum(figure.release == FIRST for figure in figures) == 338
    assert sum(figure.release == LATER for figure in figures) == 402


def test_value_and_bold_as_printed() -> None:
    [figure] = [
        figure
        for figure in load_published()
        if (figure.release, figure.model, figure.benchmark) == (FIRST, "Doubao LLM ASR", "Guangxi accent")
    ]
    assert (figure.value, figure.is_best, figure.group, figure.metric) == (Decimal("3.37"), True, "In-house", "CER")


def test_a_model_is_taken_from_its_latest_release_with_the_table() -> None:
    [model] = select_published(["Step-Audio 2"], "asr")
    assert model.release == LATER
    # Later releases have this model too, but not in the ASR table.
    [model] = select_published(["Qwen2.5-Omni"], "asr")
    assert model.release == FIRST
    assert {figure.table for figure in model.figures} == {"asr"}
    assert len(model.figures) == 22


def test_a_release_is_named_by_its_beginning() -> None:
    first, later = select_published(["Step-Audio 2@2025-07", "Step-Audio 2@2025-09-15"], "asr")
    assert (first.release, later.release) == (FIRST, LATER)
    assert _value(first.figures, "LibriSpeech clean") == Decimal("1.19")
    assert _value(later.figures, "LibriSpeech clean") == Decimal("1.17")


def _value(figures: tuple[PublishedFigure, ...], benchmark: str) -> Decimal | None:
    [figure] = [figure for figure in figures if figure.benchmark == benchmark]
    return figure.value


def test_all_models_of_a_release_in_printed_order_and_none_twice() -> None:
    models = select_published(["Kimi-Audio@2025-07-23", "@2025-07-23"], "asr")
    assert [model.model for model in models] == [
        "Kimi-Audio",
        "Doubao LLM ASR",
        "GPT-4o Transcribe",
        "Qwen2.5-Omni",
        "Step-Audio 2",
    ]


def test_a_model_of_other_tables_is_in_none_of_this_one() -> None:
    assert select_published(["GPT-4o Audio", "Qwen2.5-Omni@2025-09"], "asr") == []
    assert [model.release for model in select_published(["Qwen2.5-Omni"], "mmau")] == [LATER]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("step audio 2 mini", "did you mean 'Step-Audio 2 mini'?"),
        ("kimi-audio", "did you mean 'Kimi-Audio'?"),
        ("zzz", "`evalkit list published`"),
        ("Step-Audio 2 mini@2025-07-23", "2025-09-15 README"),
        ("Kimi-Audio@2024", "2025-07-23 first release"),
        ("@2031", "no release '2031'"),
    ],
)
def test_what_is_unknown_is_an_error_that_says_what_is_known(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        select_published([name], "asr")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_average_of_mmau_is_over_its_questions_and_others_over_their_columns() -> None:
    exact = {
        (each.printed.table, each.printed.release[:10], each.printed.model): each.exact
        for each in recomputed_averages()
    }
    # (333 × 76.9 + 333 × 66.1 + 334 × 73.9) / 1000
    assert exact["mmau", "2025-07-23", "Audio Flamingo 3"] == Decimal("72.3016")
    parts = [
        figure.value
        for figure in load_published()
        if (figure.table, figure.release[:10], figure.model) == ("covost2", "2025-07-23", "Step-Audio 2")
        and figure.benchmark not in AVERAGES
    ]
    assert exact["covost2", "2025-07-23", "Step-Audio 2"] == sum(filter(None, parts)) / 2
