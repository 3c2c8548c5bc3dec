"""Configurations as YAML: what is written is read back as it was, by whoever reads it."""

from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

import evalkit
from evalkit.errors import StoreError
from evalkit.run.plain_yaml import read_yaml, yaml_text
from evalkit.run.stored import read_stored_config

TEXTS = (
    *("1e3", "y", "No", "2024-11-21", "null", "~", "nan", "0x1F", "12:30:45", "1_0", ".5", "", " x", "#c", "a: b"),
    *("\ntwo\nlines", "模型 1", "😀", "word " * 40, "'quoted'", "{brace}", "&anchor", "!tag", "%", "@at"),
)


def test_every_text_is_read_back_as_a_text_by_all_readers() -> None:
    config = {"texts": list(TEXTS), "values": [1, -1e-05, 1e30, True, None, float("inf"), [], {}], "keys": {5: "five"}}
    config["keys"] |= dict.fromkeys(TEXTS, 0)  # type: ignore[operator]  # a mapping, as it stands above
    text = yaml_text(config)
    assert read_yaml(text) == config
    assert OmegaConf.to_container(OmegaConf.create(text)) == config


def test_what_occurs_twice_is_written_twice_and_keys_keep_their_order() -> None:
    shared = ["default"]
    assert yaml_text({"schemes": shared, "again": shared}) == "schemes:\n- default\nagain:\n- default\n"


def test_half_a_character_becomes_a_question_mark() -> None:
    assert read_yaml(yaml_text({"name": "a\ud800b"})) == {"name": "a?b"}


def test_nothing_but_plain_values_is_read() -> None:
    with pytest.raises(yaml.YAMLError):
        read_yaml("a: !!python/object/apply:os.getcwd []")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_what_is_nested_without_end_is_refused_and_ends_no_process(opening: str) -> None:
    with pytest.raises(yaml.YAMLError, match="line 1: is nested in more than 100 others"):
        read_yaml(opening * 200_000)


def test_a_stored_configuration_stands_for_no_more_than_it_says(tmp_path: Path) -> None:
    doubled = "\n".join(f"x{number}: &x{number} [*x{number - 1}, *x{number - 1}]" for number in range(1, 60))
    (tmp_path / "config.yaml").write_text(f"tasks: {{}}\nx0: &x0 [a, b]\n{doubled}\n")
    with pytest.raises(StoreError, match=r"config\.yaml: is not a configuration \(line 3: \*x0 stands for something"):
        read_stored_config(tmp_path)


def test_a_prompt_that_looks_like_the_begin_of_an_interpolation_is_kept_as_it_is(tmp_path: Path) -> None:
    words = [f"runs={tmp_path}", "name=run", "limit=1", r'model.prompts.asr.system="the price is \${b"']
    for _ in range(2):  # begun, and continued
        evalkit.evaluate("echo", task="demo_clean", overrides=words)
        assert read_stored_config(tmp_path / "run")["model"]["prompts"]["asr"]["system"] == "the price is ${b"
