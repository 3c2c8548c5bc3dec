"""What the configuration takes and refuses: values, names, paths, roles, folders of configurations."""

import os
from pathlib import Path

import pytest
import yaml

from evalkit.errors import ConfigurationError
from evalkit.run.composition import compose_configuration, compose_run
from evalkit.run.overrides import quoted
from evalkit.run.plan import plan_from_config
from evalkit.run.settings import known_settings

WORDS = ("model=predictions", "model.path=none", "task=demo_clean")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("limit=abc", "limit: 'abc' must be a whole number of at least 1, or null"),
        ("limit=all", "limit: 'all' must be a whole number"),
        ("limit=3.5", "limit: '3.5' must be a whole number"),
        ("limit=true", "limit: 'True' must be a whole number"),
        ("limit=.nan", "limit: '.nan' must be a whole number"),
        ("limit=inf", "limit: 'inf' must be a whole number"),
        ("limit=[1]", "limit: '[1]' must be a whole number"),
        ("max_failures=many", "max_failures: 'many' must be"),
        ("fraction=2", "fraction: '2' must be a number above 0 and at most 1"),
        ("seed=abc", "seed: 'abc' must be a whole number"),
        ("seed=null", "seed: 'null' must be a whole number"),
        ("spread=maybe", "spread: 'maybe' must be true or false"),
        ("spread=1", "spread: '1' must be true or false"),
        ("runs=null", "runs: 'null' must be a text"),
        ("runs=", "runs: '' must be a folder"),
        ("cache=null", "cache: 'null' must be a mapping with folder, roles"),
        ("budget=3", "budget: '3' must be a mapping with calls, tokens, cost"),
        ("budget.calls=x", "budget.calls: 'x' must be a whole number"),
        ("budget.cost=-1", "budget.cost: '-1' must be an amount of at least 0"),
        ("statistics.level=2", "statistics.level: '2' must be a number between 0 and 1"),
        ("statistics.level=0", "statistics.level: '0' must be a number between 0 and 1"),
        ("missing_data=no", "missing_data: 'no' must be error, skip or skip_remote"),
        ("schemes=3", "schemes: '3' must be a list of names"),
        ("tasks=3", "tasks: '3' must be a mapping"),
        ("+tasks.mine=3", "tasks.mine: '3' must be a mapping that says its class"),
        ("prompt_kinds=3", "prompt_kinds: '3' must be a mapping from names to texts"),
        ("+foo=1", "unknown config key 'foo'"),
        ("+limt=1", "unknown config key 'limt', did you mean 'limit'?"),
        ("limt=1", "unknown config key 'limt', did you mean 'limit'?"),
        ("+budget.call=1", "unknown config key 'budget.call', did you mean 'calls'?"),
        ("executor=null", "wants a name or a list of names, not null"),
        ("executor=[null]", "wants a name or a list of names, not null"),
        ("++model.prompts=text", "model.prompts: 'text' must be a mapping, or null"),
        ("++model.generation=3", "model.generation: '3' must be a mapping, or null"),
        ("++tasks.demo_clean.facts=3", "tasks.demo_clean.facts: '3' must be a mapping, or null"),
        ("limit=[1", "put it into quotes"),
        ("limit", "it is not of the form KEY=VALUE"),
    ],
)
def test_a_value_of_a_wrong_type_is_one_line(word: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        compose_run([*WORDS, word])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("limit=1e2", "limit", 100),
        ("limit='2'", "limit", 2),
        ("limit=2.0", "limit", 2),
        ("limit=null", "limit", None),
        ("fraction=1", "fraction", 1),
        ("name=20241121", "name", "20241121"),
        ("name=2024_11_21", "name", "2024_11_21"),
        ("name=3.50", "name", "3.50"),
        ("name=true", "name", "true"),
        ("name=null", "name", None),
        ("name='null'", "name", "null"),
        ("runs=2024", "runs", "2024"),
        ("runs=~/x", "runs", os.path.expanduser("~/x")),
        ("data_root=~/x", "data_root", os.path.expanduser("~/x")),
        ("cache.folder=null", "cache.folder", None),
        ("model.title=2024_11_21", "model.title", "2024_11_21"),
        ("model.title=Step (v2)", "model.title", "Step (v2)"),
        ("name=模型一", "name", "模型一"),
        ('name=it\'s \\ "a", b=[c] {d}', "name", 'it\'s \\ "a", b=[c] {d}'),
        ("model.path=答 案/(1)=it's.jsonl", "model.path", "答 案/(1)=it's.jsonl"),
        ("model.path=a\\", "model.path", "a\\"),
        ("tasks.demo_clean.language=中文", "tasks.demo_clean.language", "中文"),
    ],
)
def test_names_and_numbers_are_taken_as_they_are_meant(word: str, key: str, value: object) -> None:
    from omegaconf import OmegaConf

    words = [each for each in WORDS if not each.startswith(f"{key}=")]
    assert OmegaConf.select(compose_run([*words, word]).config, key) == value


def test_every_setting_of_the_configuration_has_a_type() -> None:
    content = yaml.safe_load((Path(__file__).parents[3] / "configs/run.yaml").read_text())
    named = [
        f"{key}.{inner}" if inner else key
        for key, value in content.items()
        if key not in ("defaults", "hydra", "tasks", "prompt_kinds")
        for inner in (value if isinstance(value, dict) else [""])
    ]
    assert sorted(named) == sorted(known_settings())


@pytest.mark.parametrize(
    "name", ["../x", "..", ".", "/abs", "a/b", "a\\b", "", " ", "a\nb", "a\0b", "a" * 300, "con", "NUL.txt", "a\u202eb"]
)
def test_a_run_stays_inside_its_folder_whatever_its_name(name: str) -> None:
    composition = compose_run([*WORDS, f"name={quoted(name)}"])
    with pytest.raises(ConfigurationError, match="^name: "):
        plan_from_config(composition.config, composition.choices)


def test_a_default_name_of_many_tasks_still_fits_a_folder() -> None:
    names = [f"uro_{name}" for name in ("alpacaeval", "commoneval", "wildchateval", "storaleval", "summary", "mlc")] * 3
    from evalkit.run.naming import run_name

    first = run_name(None, {"model": "echo", "task": f"[{','.join(names)}]"})
    second = run_name(None, {"model": "echo", "task": f"[{','.join(names[:-1])}]"})
    assert first != second
    assert max(len(first), len(second)) <= 120


def test_open_mappings_take_new_keys_without_a_plus() -> None:
    words = ["model=openai_chat", "model.model=m", "model.base_url=u", "task=demo_clean"]
    words += ["model.generation.top_k=3", "model.extra_body.chat_template_kwargs.thinking=true"]
    model = compose_run(words).config.model
    assert model.generation == {"top_k": 3}
    assert model.extra_body == {"chat_template_kwargs": {"thinking": True}}
    assert compose_run([*WORDS, "prompt_kinds.mine=ours"]).config.prompt_kinds.mine == "ours"
    with pytest.raises(ConfigurationError, match="unknown config key 'model.generatio'"):
        compose_run([*words, "model.generatio=3"])


@pytest.mark.slow
def test_any_role_can_be_filled_and_emptied() -> None:
    config = compose_run([*WORDS, "model@asr_judge=echo", "asr_judge.title=Mine"]).config
    assert config.asr_judge.title == "Mine"
    config = compose_run(["suite=demo", "model=echo", "model@judge=null"]).config
    assert config.get("judge") is None
    assert compose_run([*WORDS, "suite=null"]).choices.get("suite") is None


def test_a_model_in_a_role_that_nothing_asks_is_refused() -> None:
    composition = compose_run([*WORDS[:2], "task=demo_clean", "model@trascriber=echo"])
    with pytest.raises(ConfigurationError, match="model@trascriber: no task of this run .* did you mean 'transcriber'"):
        plan_from_config(composition.config, composition.choices)


def test_a_run_without_a_model_says_so() -> None:
    with pytest.raises(ConfigurationError, match="no model is chosen: give model=NAME"):
        compose_run(["suite=demo"])
    assert compose_configuration(["suite=demo"]).model.title


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_folder_of_ones_own_is_searched_and_its_faults_are_named(tmp_path: Path) -> None:
    write(tmp_path / "suite/two.yaml", "# @package _global_\ndefaults: [demo_asr, mmau]\n")
    write(tmp_path / "suite/round.yaml", "# @package _global_\ndefaults:\n  - /suite: demo_asr\n")
    write(tmp_path / "suite/role.yaml", "# @package _global_\ndefaults:\n  - demo_asr\n  - /model@ear: echo\n")
    write(tmp_path / "model/bad.yaml", "a: [1\nb: 2\n")
    assert "mmau_test_mini" in compose_run(["suite=two", "model=echo"], [tmp_path]).config.tasks
    filled = compose_run(["suite=role", "model=echo", "model@ear=word_judge"], [tmp_path])
    assert filled.choices["model@ear"] == "word_judge"
    with pytest.raises(ConfigurationError, match="a configuration includes itself; a suite that builds on suites"):
        compose_run(["suite=round", "model=echo"], [tmp_path])
    with pytest.raises(ConfigurationError, match=r"bad\.yaml, line 2, column 2: is not valid YAML"):
        compose_run(["suite=demo_asr", "model=bad"], [tmp_path])
    with pytest.raises(ConfigurationError, match="--config-dir .*nowhere: no such folder"):
        compose_run(["suite=demo_asr", "model=echo"], [tmp_path / "nowhere"])
    with pytest.raises(ConfigurationError, match="there is no suite 'two'"):
        compose_run(["suite=two", "model=echo"])
