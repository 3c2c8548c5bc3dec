"""What ``evalkit doctor model=NAME --probe`` finds: of a service's end, its list of models, its key, one answer."""

import json
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from evalkit.cli.fitness import examine
from evalkit.cli.plan import command as plan
from evalkit.errors import ConfigurationError
from evalkit.model_card import ModelCard
from evalkit.run.composition import compose_run
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import plan_from_config
from tests.conftest import ROOT
from tests.model_adapters.serving import Backend
from tests.servers.faults import Fault, Refusal
from tests.servers.openai_server import OpenAIServer
from tests.servers.recognizers import KEY as RECOGNIZER_KEY
from tests.servers.recognizers import ElevenLabsService, RecognizerServer, Reply

_MODEL = "gpt-transcribe"
KEY = "sk-probe-0123456789abcdef"
Examined = Callable[..., tuple[int, str]]


@pytest.fixture
def examined(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Examined:
    """The exit status and what is printed about a model, by a user who has a key."""
    monkeypatch.setenv("SOME_KEY", KEY)

    def run(*words: str, probe: bool = True, folders: tuple[str, ...] = ()) -> tuple[int, str]:
        status = examine(words, folders, probe=probe)
        return status, capsys.readouterr().out

    return run


def _served(server: OpenAIServer, model: str = _MODEL) -> list[str]:
    words = ["model=gpt_transcribe", f"model.model={model}", f"model.base_url={server.base_url}"]
    return [*words, "model.api_key_variable=SOME_KEY"]


def test_a_fit_server_is_listed_answers_and_costs(examined: Examined) -> None:
    with OpenAIServer(Backend("the words"), key=KEY, models=[_MODEL]) as server:
        status, said = examined(*_served(server))
    assert status == 0
    here, listed, answer = said.splitlines()
    assert here == "here    yes"
    assert listed == "list    the server lists the model 'gpt-transcribe'"
    assert answer.startswith('answer  "the words" in ')
    assert "cost 0.000" in answer
    assert server.journal.violations == []
    assert KEY not in said


def test_without_a_probe_nothing_is_asked(examined: Examined) -> None:
    backend = Backend()
    with OpenAIServer(backend, key=KEY) as server:
        assert examined(*_served(server), probe=False) == (0, "here    yes\n")
    assert backend.requests == []


def test_a_model_that_is_not_listed_is_told_with_the_nearest(examined: Examined) -> None:
    with OpenAIServer(Backend(), key=KEY, models=[_MODEL]) as server:
        status, said = examined(*_served(server, "gpt-trancsribe"))
    assert status == 1
    assert "list    NO: the server lists no model 'gpt-trancsribe', did you mean 'gpt-transcribe'?" in said


@pytest.mark.parametrize(("days", "fit"), [(0, False), (30, True)])
def test_the_day_on_which_the_server_says_that_it_ends_is_read(days: int, fit: bool, examined: Examined) -> None:
    ends = str(date.today() + timedelta(days=days))
    with OpenAIServer(Backend(), key=KEY, models=[_MODEL], shutdown_date=ends) as server:
        status, said = examined(*_served(server))
    assert status == (0 if fit else 1)
    assert f"end     {'' if fit else 'NO: '}the server says that it {'ends' if fit else 'ended'} on {ends}" in said


def test_a_wrong_key_is_told_without_it(examined: Examined) -> None:
    with OpenAIServer(Backend(), key="sk-another-0123456789") as server:
        status, said = examined(*_served(server))
    assert status == 1
    assert "stopped NO: " in said
    assert "see to the key" in said
    assert KEY not in said


@pytest.mark.parametrize(
    ("refusal", "said"), [(Refusal.BAD_REQUEST, "answer  NO: refused: HTTP 400"), (Refusal.NO_CREDIT, "stopped NO: ")]
)
def test_a_server_that_gives_no_answer_is_not_fit(refusal: Refusal, said: str, examined: Examined) -> None:
    with OpenAIServer(Backend(), key=KEY, models=[_MODEL], refuse=lambda _: refusal) as server:
        status, found = examined(*_served(server))
    assert status == 1
    assert said in found


def test_an_answer_without_a_word_is_not_fit(examined: Examined) -> None:
    with OpenAIServer(Backend(""), key=KEY, models=[_MODEL]) as server:
        status, said = examined(*_served(server))
    assert status == 1
    assert "answer  NO: empty in " in said


def test_an_attempt_that_fails_in_passing_is_repeated(examined: Examined) -> None:
    faults = iter([Fault.SERVER_ERROR])
    backend = Backend("the words")
    with OpenAIServer(backend, key=KEY, models=[_MODEL], faults=lambda _: next(faults, None)) as server:
        assert examined(*_served(server))[0] == 0


def test_nothing_that_answers_is_told_before_anything_is_asked(examined: Examined) -> None:
    words = ["model=gpt_transcribe", "model.base_url=http://127.0.0.1:9/v1", "model.api_key_variable=SOME_KEY"]
    status, said = examined(*words)
    assert status == 1
    assert said.startswith("here    NO: nothing answers at http://127.0.0.1:9/v1")


def test_a_recogniser_without_a_list_of_models_is_judged_by_its_answer(
    examined: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", RECOGNIZER_KEY)
    service = ElevenLabsService()
    with RecognizerServer(service) as server:
        words = ["model=elevenlabs_scribe", f"model.base_url={server.base_url}", "model.api_key_variable=SOME_KEY"]
        fit, answered = examined(*words, "model.prices={audio_minute: 0.6}")
        service.fault = lambda _: Reply(401, {"detail": {"status": "invalid_api_key", "message": "Invalid API key"}})
        unfit, turned_away = examined(*words)
    assert (fit, unfit) == (0, 1)
    assert answered.startswith(f'here    yes\nanswer  "{service.heard[0].text}" in ')
    assert ", cost 0.0" in answered
    assert "stopped NO: " in turned_away
    assert "Invalid API key" in turned_away


def test_a_model_that_reads_only_is_asked_in_writing(examined: Examined) -> None:
    backend = Backend("Paris")
    with OpenAIServer(backend, vllm=True) as server:
        status, said = examined("model=qwen3_32b", f"model.base_url={server.base_url}", "model.model=local-model")
    assert (status, backend.request.sounds) == (0, ())
    assert 'answer  "Paris" in ' in said


@pytest.mark.slow
def test_a_server_that_the_run_starts_is_started_for_it(examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    launch = f"{sys.executable} -m tests.servers.openai_server --port {{port}}"
    status, said = examined("model=openai_chat", "model.model=local-model", f"model.launch={launch}")
    assert status == 0
    assert said.splitlines()[0] == "here    yes"
    assert said.splitlines()[1].startswith("answer  ")


def test_a_model_of_this_process_is_loaded_and_asked(examined: Examined) -> None:
    pytest.importorskip("pocketsphinx", reason="pocketsphinx is not installed")
    status, said = examined("model=pocketsphinx")
    assert status == 0
    assert 'answer  "the theatre' in said


def test_a_model_that_speaks_and_does_not_write_is_asked_for_speech(examined: Examined) -> None:
    status, said = examined("model=echo")
    assert status == 0
    assert "answer  speech in " in said


def test_what_is_to_be_given_is_named(examined: Examined) -> None:
    assert examined("model=predictions") == (1, "here    NO: give model.path=\n")
    with pytest.raises(ConfigurationError, match="say which model"):
        examined("limit=1")


# --- the end of a service

_TODAY = date(2026, 12, 30)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (date(2027, 3, 1), ""),
        (date(2027, 2, 26), "its service ends on 2027-02-26, in 58 days; use model=next afterwards"),
        (date(2026, 12, 30), "its service ended on 2026-12-30; use model=next"),
        (None, ""),
    ],
)
def test_an_end_is_spoken_of_sixty_days_before(ends: date | None, said: str) -> None:
    card = ModelCard(ends=ends, successor="next")
    assert card.ending(_TODAY, soon=60) == said
    assert card.ending(_TODAY) == (said if card.ended(_TODAY) else "")


def _own_model(folder: Path, card: str) -> str:
    (folder / "model").mkdir(parents=True)
    text = f"defaults: [gpt_transcribe, _self_]\ntitle: Mine\ncard: {card}\n"
    (folder / "model/mine.yaml").write_text(text)
    return str(folder)


def test_a_service_that_has_ended_is_not_fit_but_asked_all_the_same(tmp_path: Path, examined: Examined) -> None:
    folder = _own_model(tmp_path / "mine", "{ends: 2026-05-07, successor: gpt_transcribe}")
    with OpenAIServer(Backend("the words"), key=KEY) as server:
        words = ["model=mine", f"model.base_url={server.base_url}", "model.api_key_variable=SOME_KEY"]
        status, said = examined(*words, "model.model=local-model", folders=(folder,))
    assert status == 1
    assert said.startswith("end     NO: its service ended on 2026-05-07; use model=gpt_transcribe\nhere    yes\n")
    assert 'answer  "the words"' in said


def test_what_nobody_can_run_says_why(tmp_path: Path, examined: Examined) -> None:
    folder = _own_model(tmp_path / "mine", "{unavailable: it was never published}")
    status, said = examined("model=mine", folders=(folder,))
    assert (status, said.splitlines()[-1]) == (1, "model   NO: it was never published")


def test_a_run_says_in_one_line_that_a_service_has_ended_and_asks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    folder = _own_model(tmp_path / "mine", "{ends: 2026-05-07, successor: gpt_transcribe}")
    with OpenAIServer(Backend("the words"), key=KEY) as server:
        words = ["model=mine", f"model.base_url={server.base_url}", "model.api_key_variable=SOME_KEY", "limit=1"]
        composed = compose_run([*words, "task=demo_clean", f"runs={tmp_path}", "name=run"], (folder,))
        evaluate(plan_from_config(composed.config, composed.choices))
        said = capsys.readouterr().err
        plan([*words, "task=demo_clean", f"runs={tmp_path}"], (folder,))
        assert "model, Mine: its service ended on 2026-05-07" in capsys.readouterr().err
    assert said.count("model, Mine: its service ended on 2026-05-07; use model=gpt_transcribe") == 1
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["tasks"]["demo_clean"]["samples"]["failed"] == 0
