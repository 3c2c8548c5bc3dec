"""Write docs/settings.md, the reference of every setting, from the configuration."""

from pathlib import Path

from evalkit.cli.settings_reference import reference_page

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"


def main() -> None:
    """Write the page."""
    PAGE.write_text(reference_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
