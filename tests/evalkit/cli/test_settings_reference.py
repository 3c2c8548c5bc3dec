"""The reference of the settings says what the configuration says today."""

from evalkit.cli.settings_reference import reference_page, run_help
from evalkit.run.settings import OF_EVERY_MODEL, known_settings
from tests.conftest import ROOT


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert page == reference_page(), "run: python scripts/write_settings.py"


def test_every_setting_is_in_the_page_and_in_the_help() -> None:
    for text in (reference_page(), run_help()):
        for name in known_settings():
            assert name in text
    for name in (*OF_EVERY_MODEL, "benchmark", "generation", "batch_size", "layout"):
        assert f"`{name}`" in reference_page()
