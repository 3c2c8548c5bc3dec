"""Write docs/models.md, the table of all models, from their configurations."""

from pathlib import Path

from evalkit.cli.models_page import models_page

PAGE = Path(__file__).parent.parent / "docs" / "models.md"


def main() -> None:
    """Write the page."""
    PAGE.write_text(models_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
