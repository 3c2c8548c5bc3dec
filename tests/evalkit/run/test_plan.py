"""From a configuration to a plan: roles, kinds of question, and what is refused before anything is asked."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf, open_dict

from evalkit.errors import ConfigurationError
from evalkit.prompts import Prompts
from evalkit.run.composition import compose_configuration, compose_run
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import Plan, plan_from_config, roles_of, tasks_from_config
from tests.conftest import ROOT
from tests.refereed import RefereedTranscription
from tests.servers.openai_server import OpenAIServer

CHOICES = {"model": "word_judge", "model@transcriber": None, "model@judge": None}


def plan_of(folder: Path, *words: str, role: str = "", choices: object = None) -> Plan:
    config = compose_configuration(["model=word_judge", f"runs={folder}", *words])
    if role:
        with open_dict(config):
            config[role] = OmegaConf.create({"_target_": "model_adapters.stand_ins.word_judge.WordJudge"})
    return plan_from_config(config, CHOICES)


OF_ONES_OWN_TASKS = {"audio_caption", "universal_caption", "text_to_speech", "spoken_text_translation"}


@pytest.mark.slow
def test_the_kinds_of_question_in_the_configuration_are_those_that_the_tasks_ask() -> None:
    config = compose_configuration(["suite=[step_audio_2,tool_loop]"])
    tasks = tasks_from_config(config)
    assert set(config.prompt_kinds) - OF_ONES_OWN_TASKS == tasks[0]._prompts.kinds  # type: ignore[attr-defined]


@pytest.mark.parametrize(("role", "words"), [("model", []), ("transcriber", ["model@transcriber=whisper_tiny_en"])])
def test_a_profile_with_a_misspelt_kind_is_refused(tmp_path: Path, role: str, words: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{role}\.prompts: .*kind 'arr', did you mean 'asr'\?"):
        plan_of(tmp_path, "task=demo_clean", *words, f"+{role}.prompts.arr={{system: x}}")
    plan_of(tmp_path, "task=demo_clean", *words, f"+{role}.prompts.arr={{system: x}}", "+prompt_kinds.arr=mine")


def test_a_task_of_ones_own_brings_a_role_and_a_kind_of_question(tmp_path: Path) -> None:
    own = ["task=demo_clean", "tasks.demo_clean._target_=tests.refereed.RefereedTranscription"]
    plan = plan_of(tmp_path, *own, "cache.roles=[referee]", role="referee")
    assert list(plan.models) == ["model", "referee"]
    assert plan.cache.roles == ("referee",)
    plan_of(tmp_path, *own, "+model.prompts.whistle={user: 'Fwee {audio}'}", role="referee")
    with pytest.raises(ConfigurationError, match="needs a model in the role 'referee'; choose one with model@referee="):
        evaluate(plan_of(tmp_path, *own))


class Unscored(RefereedTranscription):
    """A task whose author forgot what its answers are scored by."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.metrics = {}


def test_a_task_without_metrics_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^tasks\.demo_clean: Unscored has no metrics to score answers by$"):
        plan_of(tmp_path, "task=demo_clean", f"tasks.demo_clean._target_={__name__}.Unscored")


def test_a_role_that_nobody_filled_is_refused_with_the_misspelt_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"role 'j.*did you mean 'judge'\?"):
        evaluate(plan_of(tmp_path, "task=demo_big_bench_audio", role="juge"))


def test_a_cached_role_that_is_none_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cache\.roles: no role 'jugde', did you mean 'judge'\?"):
        plan_of(tmp_path, "task=demo_clean", "cache.roles=[jugde]")


def test_a_stored_configuration_has_its_roles_too(tmp_path: Path) -> None:
    words = ["task=demo_clean", "model@judge=word_judge"]
    stored = OmegaConf.create(dict(plan_of(tmp_path, *words).config))
    assert roles_of(stored) == ("model", "judge")


def test_a_place_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="place: unknown key 'grup', did you mean 'group'"):
        plan_of(tmp_path, "task=demo_clean", "+tasks.demo_clean.place.grup=x")


def test_a_place_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="place: 'asr' must be a mapping"):
        plan_of(tmp_path, "task=demo_clean", "tasks.demo_clean.place=asr")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["task=demo_mmau", "+model.prompts.mmau={user: '{audio}{question}{choice}{choices}'}"],
            r"model\.prompts\.mmau\.user: nothing takes the place of \{choice\}, did you mean 'choices'\? "
            r"\(there are \{audio\}, \{choices\}, \{language\}, \{lettered_choices\}, \{question\}\)",
        ),
        (
            ["task=demo_clean", "+model.prompts.asr={system: 'Hear {audio}'}"],
            r"asr\.system: nothing takes the place of \{audio\} \(there are \{language\}\)",
        ),
        (
            ["task=demo_cvss_en_zh", "+model.prompts.spoken_translation={system: 'Into {target}.'}"],
            r"spoken_translation\.system: nothing takes the place of \{target\}",
        ),
    ],
)
def test_a_word_in_braces_that_no_task_replaces_is_refused(tmp_path: Path, words: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        plan_of(tmp_path, *words)


def test_braces_around_other_things_are_text(tmp_path: Path) -> None:
    plan_of(tmp_path, "task=demo_clean", "+model.prompts.asr={system: 'As {} or {\"text\": 1}.'}")


def test_a_profile_without_words_for_a_question_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asr = "+model.prompts.asr={language_hint: true}"
    plan_of(tmp_path, "suite=demo", asr)
    said = capsys.readouterr().err
    assert said.count("model.prompts has no entry for") == 2
    assert "no entry for 'translation': the model gets the bare recording, and is not told target_language" in said
    translated = "+model.prompts.translation={user: 'Into {target_language}: {audio}'}"
    plan_of(tmp_path, "task=demo_covost2_en_zh", asr, translated)
    assert "has no entry" not in capsys.readouterr().err


def test_a_row_that_nobody_can_run_says_so_where_its_answers_are_missing() -> None:
    composition = compose_run(["model=step_audio_aqaa", "task=demo_clean"])
    with pytest.raises(
        ConfigurationError, match=r"model\.path must be given: .*nobody can run Step-Audio-AQAA: its auth"
    ):
        plan_from_config(composition.config, composition.choices)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["task=demo_clean", "+model.prompts.asr.generation={num_beam: 2}"],
            r"task demo_clean, model: model m: 'num_beam' is no setting of chat completions",
        ),
        (
            ["task=demo_big_bench_audio", "model@judge=openai_chat", "judge.model=m", "judge.generation.top_q=1"],
            r"task demo_big_bench_audio, judge: model m: 'top_q' is no setting .*, did you mean 'top_p'",
        ),
        (
            [
                *("task=demo_cvss_en_zh", "model.speech_output=true", "model@transcriber=openai_transcription"),
                *("transcriber.model=m", "+transcriber.prompts.asr.generation={temperature: 0}"),
            ],
            r"task demo_cvss_en_zh, transcriber: .*sets temperature, but a speech recogniser",
        ),
    ],
)
def test_a_setting_that_a_protocol_does_not_have_is_refused_before_anything_is_asked(
    tmp_path: Path, words: list[str], message: str
) -> None:
    with OpenAIServer() as server:
        chosen = ["model=openai_chat", "model.model=m", *words, f"runs={tmp_path}", "name=run", "cache.folder=null"]
        roles = [word.removesuffix(".model=m") for word in chosen if word.endswith(".model=m")]
        served = [f"{role}.base_url={server.base_url}" for role in roles]
        composition = compose_run([*chosen, *served])
        with pytest.raises(ConfigurationError, match=message):
            evaluate(plan_from_config(composition.config, composition.choices))
    assert not server.journal.outcomes()


@pytest.mark.slow
def test_every_profile_of_ours_has_words_that_the_tasks_replace() -> None:
    asked = tasks_from_config(compose_configuration(["suite=step_audio_2"]))[0]._prompts._asked  # type: ignore[attr-defined]
    fields = {kind: fields for (role, kind), (_, fields) in asked.items() if role == "model"}
    profiles = sorted((ROOT / "configs/prompts").glob("*.yaml"))
    assert len(profiles) > 5
    for path in profiles:
        prompts = Prompts({"model": yaml.safe_load(path.read_text(encoding="utf-8"))})
        for kind, names in fields.items():
            prompts.of(kind, fields=names)
        prompts.check_fields()
