"""Published models whose service ends or has ended, so that nobody can measure their figures again."""

import csv
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files


@cache
def ends_of_services() -> Mapping[str, date]:
    """Return the day on which the service of a published model ends or ended, by the heading it is printed under."""
    text = (files("reports") / "ends_of_services.csv").read_text(encoding="utf-8")
    return {row["model"]: date.fromisoformat(row["ends"]) for row in csv.DictReader(text.splitlines())}
