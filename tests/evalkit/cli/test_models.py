"""What `evalkit list models` and docs/models.md say of models: the cards of their configurations."""

from datetime import date
from pathlib import Path

import pytest

from evalkit.cli.catalogue import read_models
from evalkit.cli.model_facts import abilities, languages, longest_audio, needs
from evalkit.cli.models_page import models_page
from evalkit.errors import ConfigurationError
from evalkit.model_card import ModelCard
from reports.published import load_published
from reports.services import ends_of_services
from tests.conftest import ROOT


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    assert page == models_page(), "run: python scripts/write_models.py"


def test_successors_are_configurations() -> None:
    cards = {option.name: card for option, card in read_models()}
    assert {card.successor for card in cards.values() if card.successor} <= set(cards)


def test_tables_and_cards_agree_on_the_ends_of_services() -> None:
    ends = {str(option.content.get("published")): card.ends for option, card in read_models() if card.ends}
    ends.pop("None", None)
    assert ends == ends_of_services()


def test_every_published_model_has_a_configuration() -> None:
    configured = {option.content.get("published") for option, _ in read_models()}
    assert {figure.model for figure in load_published()} <= configured


def test_every_card_says_what_was_tried_or_why_not() -> None:
    silent = [option.name for option, card in read_models() if not (card.tried or card.untried or card.unavailable)]
    assert silent == []


def test_a_card_is_built_on_those_that_its_configuration_builds_on(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "mine.yaml").write_text(
        "# Mine\ndefaults: [step_audio_2_mini, _self_]\ntitle: Mine\ncard: {tools: false, ends: 2027-02-26}\n"
    )
    option, card = next(found for found in read_models([tmp_path]) if found[0].name == "mine")
    assert option.content["extra"] == "step-audio-2"
    assert (card.speaks, card.tools, card.licence, card.ends) == (True, False, "Apache-2.0", date(2027, 2, 26))
    assert card.ended(date(2027, 2, 26))
    assert not card.ended(date(2027, 2, 25))


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"hear": True}, "model.card: no card has 'hear', did you mean 'hears'?"),
        ({"ends": "soon"}, "model.card.ends: 'soon' must be a day, such as 2027-02-26"),
        ({"speaks": "yes"}, "model.card.speaks: 'yes' must be true or false"),
        ({"beyond": "drops"}, "model.card.beyond: 'drops' must be"),
        (["hears"], "model.card: ['hears'] must be a mapping"),
    ],
)
def test_what_no_card_says_is_refused(card: object, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        ModelCard.from_settings(card, "model.card")
    assert str(error.value).startswith(message)


def test_a_card_in_few_words() -> None:
    card = ModelCard(
        speaks=True, tools=True, languages=["en", "zh"], longest_audio=1800, beyond="splits", gpu_memory=18
    )
    assert abilities(card) == "hears, speaks, calls tools"
    assert languages(card) == "en zh"
    assert languages(ModelCard(languages=["de", "en", "es", "fr", "it"])) == "5"
    assert longest_audio(card) == "30 min, splits"
    assert longest_audio(ModelCard(longest_audio=90.5)) == "90.5 s"
    settings = {"extra": "transformers", "api_key_variable": "A_KEY"}
    assert list(needs(card, settings)) == ["[transformers]", "18 GB of GPU memory", "A_KEY"]
