"""The documentation builds without a warning, loads nothing from elsewhere, and names what there is."""

import dataclasses
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest

from evalkit.types import FailureKind, Response
from tests.conftest import ROOT

# What a page loads when it is shown; links that a reader may follow are no matter.
LOADED = re.compile(r"""(?:src=|<link[^>]*href=|url\(|@import )["']?((?:https?:)?//[^"')\s]+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    folder = tmp_path_factory.mktemp("site")
    # Not with --quiet, which hides warnings from the count that makes them errors.
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert outcome.returncode == 0, outcome.stderr
    assert "WARNING" not in outcome.stderr
    return folder


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = [path for suffix in ("html", "css") for path in site.rglob(f"*.{suffix}")]
    assert len(pages) > 15
    for page in pages:
        assert LOADED.findall(page.read_text(encoding="utf-8")) == [], page.name


@pytest.mark.slow
def test_the_reference_has_the_public_functions(site: Path) -> None:
    import evalkit

    page = (site / "api" / "evalkit.html").read_text(encoding="utf-8")
    for name in evalkit.__all__:
        if name != "__version__":
            assert f'id="evalkit.{name}"' in page, name


def names_of(page: str) -> list[str]:
    """The dotted names of the engine that a page mentions."""
    return re.findall(r"`(evalkit\.[\w.]+)`", (ROOT / "docs" / page).read_text(encoding="utf-8"))


def resolved(name: str) -> Any:
    """What a dotted name stands for: a module, or something in one."""
    module, *attributes = name.split(".")
    found: Any = import_module(module)
    for position, attribute in enumerate(attributes):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            found = import_module(".".join([module, *attributes[: position + 1]]))
    return found


@pytest.mark.parametrize("name", names_of("architecture.md"))
def test_the_walk_of_a_sample_names_functions_that_exist(name: str) -> None:
    assert resolved(name) is not None


def fields_of(schema: Any) -> set[str]:
    """The names of all properties that a JSON schema lists, at any depth."""
    if isinstance(schema, list):
        return set[str]().union(*map(fields_of, schema))
    if not isinstance(schema, dict):
        return set()
    properties = schema.get("properties")
    names = set(properties) if isinstance(properties, dict) else set()
    return names.union(*map(fields_of, schema.values()))


def test_every_field_of_a_run_folder_is_described() -> None:
    page = (ROOT / "docs" / "run_folder.md").read_text(encoding="utf-8")
    described = {name for dotted in re.findall(r"`([\w.]+)`", page) for name in dotted.split(".")}
    schema = json.loads((ROOT / "docs" / "metrics.schema.json").read_text(encoding="utf-8"))
    assert len(fields_of(schema)) > 30
    assert fields_of(schema) - described == set()
    assert {field.name for field in dataclasses.fields(Response)} - described == set()
    assert set(get_args(FailureKind)) - described == set()
