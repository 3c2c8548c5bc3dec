"""Repeated runs of one command: each has a seed of its own."""

import sys
from pathlib import Path

from evalkit.run.composition import compose_configuration
from evalkit.run.repeats import repetitions


def test_a_model_in_another_python_has_the_seed_that_its_configuration_names(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    elsewhere = f"_target_: a_package_of_another_world.Model\ntitle: Elsewhere\npython: {sys.executable}\n"
    (tmp_path / "model" / "seeded.yaml").write_text(f"{elsewhere}seed: 5\n")
    (tmp_path / "model" / "unseeded.yaml").write_text(elsewhere)
    for name, seeds in (("seeded", [5, 6, 7]), ("unseeded", [None, None, None])):
        words = [f"model={name}", "task=demo_clean", "repeats=3", f"runs={tmp_path}"]
        made = repetitions(compose_configuration(words, [tmp_path]), {"model": name, "task": "demo_clean"})
        assert [config.model.get("seed") for config in made] == seeds
