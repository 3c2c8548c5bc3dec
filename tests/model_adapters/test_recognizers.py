"""Hosted recognisers, each put to a server that takes nothing but requests of the documented form."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from evalkit.adapter import ServedModelAdapter
from evalkit.audio import Audio, Waveform
from evalkit.audio.wav import wav_of_waveform
from evalkit.errors import (
    ConfigurationError,
    PermanentError,
    TransientError,
)
from evalkit.inference.endpoint import ModelSpec
from evalkit.run.composition import compose_configuration, configurations
from evalkit.run.plan import plan_from_config
from evalkit.types import Response, Usage
from tests.model_adapters.serving import ask, asking, outcomes
from tests.servers.recognizer_faults import ANYWHERE, REFUSED, STOPPING, TRANSIENT
from tests.servers.recognizers import (
    KEY,
    SERVICES,
    AssemblyAIService,
    AzureService,
    DeepgramService,
    DoubaoService,
    GoogleService,
    Recognizer,
    RecognizerServer,
    Reply,
    SpeechmaticsService,
    content_of,
    words_of,
)

Service = type[Recognizer]


def noise(seed: int, seconds: float = 0.2) -> Audio:
    """A recording like no other."""
    waveform = np.random.default_rng(seed).uniform(-0.5, 0.5, round(16_000 * seconds)).astype(np.float32)
    return _recording(f"{seed}.wav", waveform)


def silence() -> Audio:
    """A recording of nothing."""
    return _recording("silence.wav", np.zeros(16_000, np.float32))


def _recording(name: str, waveform: Waveform) -> Audio:
    encoded = wav_of_waveform(waveform, 16_000)
    return Audio(name, content=lambda: encoded)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a user who has all keys."""
    for service in SERVICES:
        monkeypatch.setenv(f"{service.config.upper()}_TEST_KEY", KEY)


@cache
def _configured() -> Mapping[str, Any]:
    """The settings of each service's configuration, as a run resolves them."""
    roles = [f"+model@{service.config}={service.config}" for service in SERVICES]
    given = [f"{service.config}.{key}={value}" for service in SERVICES for key, value in service.overrides.items()]
    config = compose_configuration([*roles, *given])
    with configurations():
        return {service.config: OmegaConf.to_container(config[service.config], resolve=True) for service in SERVICES}


def made(service: Recognizer, server: RecognizerServer, **settings: Any) -> ServedModelAdapter:
    """The model of a configuration behind this server."""
    apart = ("title", "published", "prompts", "extra", "requires", "card")
    config = OmegaConf.create({key: value for key, value in _configured()[service.config].items() if key not in apart})
    chosen = {"base_url": server.base_url, "api_key_variable": f"{service.config.upper()}_TEST_KEY", **settings}
    if service.config == "assemblyai":
        chosen["job_url"] = f"{server.origin}/jobs-v2"
    for key, value in chosen.items():
        OmegaConf.update(config, key, value)
    model = ModelSpec("model", "M", OmegaConf.to_container(config)).make()  # type: ignore[arg-type]
    assert isinstance(model, ServedModelAdapter)
    return model


@pytest.fixture(params=SERVICES, ids=lambda service: service.config)
def service(request: pytest.FixtureRequest) -> Recognizer:
    """Each service in turn."""
    made_service: Recognizer = request.param()
    return made_service


@pytest.fixture
def server(service: Recognizer) -> Iterator[RecognizerServer]:
    """It, running."""
    with RecognizerServer(service) as running:
        yield running


# --- what is asked, and what is answered

_TOLD = {
    "doubao_llm_asr": (None, None),
    "azure_speech": ("zh-CN", None),
    "google_chirp_3": ("cmn-Hans-CN", "auto"),
    "deepgram_nova_3": ("zh", "multi"),
    "elevenlabs_scribe": ("zh", None),
    "speechmatics": ("cmn", "auto"),
    "assemblyai": ("zh", None),
    "stepfun_asr": ("zh", None),
}


def test_a_recording_is_asked_about_as_documented_and_answered_with_what_is_billed(
    service: Recognizer, server: RecognizerServer
) -> None:
    recordings = [noise(1), noise(2)]
    model = made(service, server)
    said, unsaid = ask(model, asking(recordings[0], language="zh"), asking("Transcribe", recordings[1]))
    assert service.violations == []
    assert [heard.language for heard in service.heard] == list(_TOLD[service.config])
    for response, recording in zip((said, unsaid), recordings, strict=True):
        assert response.text == words_of(content_of(recording.encoded()))
        assert (response.notes, response.failure) == ((), None)
        assert response.usage is not None
        if service.config == "stepfun_asr":
            assert response.usage == Usage(requests=1, input_tokens=10, output_tokens=2, input_audio_tokens=10)
        else:  # some bill whole seconds
            assert response.usage == Usage(requests=1, audio_seconds=response.usage.audio_seconds)
            assert 0.2 <= response.usage.audio_seconds <= 1
    fingerprint = dict(model.fingerprint())
    assert json.loads(json.dumps(fingerprint)) == fingerprint
    assert KEY not in str(fingerprint)


def test_numbers_stay_as_they_were_spoken_and_nothing_is_added_or_masked(
    service: Recognizer, server: RecognizerServer
) -> None:
    ask(made(service, server), asking(noise(1)))
    (heard,) = service.heard
    off = ("enable_itn", "enable_punc", "enable_ddc", "smart_format", "punctuate", "numerals", "filler_words")
    for name in (*off, "tag_audio_events", "enable_entities", "profanityFilter"):
        assert heard.fields.get(name) in (None, False, "false"), name
    assert heard.fields.get("profanityFilterMode") in (None, "None")


def test_silence_is_an_answer_and_a_refusal_is_none(service: Recognizer, server: RecognizerServer) -> None:
    (response,) = ask(made(service, server), asking(silence(), language="en"))
    assert (response.text, response.failure) == ("", None)
    service.fault = lambda _: Reply(451, {"error": {"message": "content moderation", "type": "censored"}})
    (refused,) = outcomes(made(service, server), asking(silence(), language="en"))
    assert isinstance(refused, PermanentError)
    assert "content moderation" in str(refused)


def test_a_setting_of_a_user_arrives(server: RecognizerServer, service: Recognizer) -> None:
    settings = {
        "doubao_llm_asr": ("settings.enable_punc", True, True),
        "azure_speech": ("settings.profanityFilterMode", "Masked", "Masked"),
        "google_chirp_3": ("settings.features.profanityFilter", True, True),
        "deepgram_nova_3": ("settings.punctuate", True, "true"),
        "elevenlabs_scribe": ("settings.timestamps_granularity", "word", "word"),
        "speechmatics": ("settings.enable_entities", True, True),
        "assemblyai": ("settings.prompt", "Names", "Names"),
        "stepfun_asr": ("settings.hotwords", ["Step", "Audio"], ["Step", "Audio"]),
    }
    name, given, arrived = settings[service.config]
    ask(made(service, server, **{name: given}), asking(noise(1)))
    assert service.violations == []
    assert service.heard[0].fields[name.rpartition(".")[2]] == arrived


def test_what_is_no_single_recording_and_decoding_settings_are_refused_before_anything_is_sent(
    service: Recognizer, server: RecognizerServer
) -> None:
    model = made(service, server)
    for request in (asking("only words"), asking(noise(1), noise(2))):
        (failure,) = outcomes(model, request)
        assert isinstance(failure, PermanentError)
        assert "exactly one recording" in str(failure)
    (failure,) = outcomes(model, asking(noise(1), generation={"max_new_tokens": 5}))
    assert isinstance(failure, ConfigurationError)
    assert service.heard == []


# --- errors, in the form that each service documents


def _failures(service: Recognizer, server: RecognizerServer, replies: list[Reply]) -> list[Response | Exception]:
    script = iter(replies)
    service.fault = lambda _: next(script)
    return outcomes(made(service, server), *[asking(noise(1))] * len(replies))


def test_what_passes_is_tried_again(service: Recognizer, server: RecognizerServer) -> None:
    replies = [*TRANSIENT[service.config], *ANYWHERE]
    for reply, failure in zip(replies, _failures(service, server, replies), strict=True):
        assert isinstance(failure, TransientError), reply
        assert "\n" not in str(failure)
        busy = reply.status in (429, 503) or "55000031" in reply.headers.values()
        assert failure.overloaded == busy, reply


def test_what_is_about_one_recording_fails_it_alone(service: Recognizer, server: RecognizerServer) -> None:
    for reply, failure in zip(
        REFUSED[service.config], _failures(service, server, REFUSED[service.config]), strict=True
    ):
        assert type(failure).__mro__[1] is PermanentError, reply
        assert "\n" not in str(failure)


def test_what_is_about_the_account_stops_the_run(service: Recognizer, server: RecognizerServer) -> None:
    replies = STOPPING[service.config]
    for (reply, kind), failure in zip(
        replies, _failures(service, server, [reply for reply, _ in replies]), strict=True
    ):
        assert type(failure) is kind, reply


def test_a_key_that_the_service_repeats_is_not_told(service: Recognizer, server: RecognizerServer) -> None:
    bodies: list[Any] = [{"error": {"message": f"bad key {KEY}"}}, f"bad key {KEY}".encode()]
    for failure in _failures(service, server, [Reply(400, body) for body in bodies]):
        assert "bad key" in str(failure)
        assert KEY not in str(failure)


# --- what only one service does


def _one(kind: Service, act: Callable[[Any, RecognizerServer], None]) -> None:
    service = kind()
    with RecognizerServer(service) as server:
        act(service, server)


def test_doubao_of_the_old_console_is_told_two_things() -> None:
    def act(service: DoubaoService, server: RecognizerServer) -> None:
        service.app_key = "1234"
        (response,) = ask(made(service, server, app_key="1234"), asking(noise(1)))
        assert response.text == words_of(service.heard[0].content)

    _one(DoubaoService, act)


def test_a_code_that_the_configuration_explains_means_what_it_says() -> None:
    def act(service: DoubaoService, server: RecognizerServer) -> None:
        service.fault = lambda _: Reply(200, {}, {"X-Api-Status-Code": "45000131", "X-Api-Message": "too long"})
        model = made(service, server, error_codes={"45000131": "busy"})
        (failure,) = outcomes(model, asking(noise(1)))
        assert isinstance(failure, TransientError)
        assert failure.overloaded

    _one(DoubaoService, act)


def test_doubao_is_told_a_language_that_it_does_not_find_out_and_says_what_it_is_not_told() -> None:
    def act(service: DoubaoService, server: RecognizerServer) -> None:
        model = made(service, server)
        requests = [asking(noise(1), language=language) for language in ("ja", "yue", "apc", "fi")]
        responses = ask(model, *requests)
        assert [heard.language for heard in service.heard] == ["ja-JP", None, "ar-SA", None]
        assert [response.notes for response in responses] == [
            (),
            (),
            ("the service takes the language 'apc' for 'ar'",),
            ("the service has no code for the language 'fi': asked without a hint",),
        ]

    _one(DoubaoService, act)


def test_azure_is_asked_for_llm_speech_by_its_settings() -> None:
    def act(service: AzureService, server: RecognizerServer) -> None:
        mode = {"enabled": True, "task": "transcribe", "prompt": ["Write numbers as words."]}
        ask(made(service, server, **{"settings.enhancedMode": mode}), asking(noise(1)))
        assert service.violations == []
        assert service.heard[0].fields["enhancedMode"] == mode

    _one(AzureService, act)


def test_deepgram_says_which_version_of_its_model_answered() -> None:
    def act(service: DeepgramService, server: RecognizerServer) -> None:
        (response,) = ask(made(service, server), asking(noise(1)))
        assert response.answered_by == "general-nova-3 2025-01-09"

    _one(DeepgramService, act)


def test_assemblyai_takes_what_is_long_as_a_job_by_a_model_that_is_named() -> None:
    def act(service: AssemblyAIService, server: RecognizerServer) -> None:
        model = made(service, server, longest_at_once=0.5)
        short, long, hinted = ask(
            model, asking(noise(1, 0.4)), asking(noise(2, 0.6)), asking(noise(3, 0.6), language="en")
        )
        assert service.violations == []
        assert (short.answered_by, long.answered_by) == ("universal-3-5-pro", "universal-3-pro")
        assert long.text == words_of(service.heard[1].content)
        assert [heard.language for heard in service.heard] == [None, None, "en"]
        assert hinted.usage == Usage(requests=1, audio_seconds=1)

    _one(AssemblyAIService, act)


def test_assemblyai_is_not_sent_what_is_too_short() -> None:
    def act(service: AssemblyAIService, server: RecognizerServer) -> None:
        (failure,) = outcomes(made(service, server), asking(noise(1, 0.05)))
        assert isinstance(failure, PermanentError)
        assert "lasts 0.05 s, the service takes from 0.08 s" in str(failure)
        assert service.heard == []

    _one(AssemblyAIService, act)


@pytest.mark.parametrize(
    ("said", "kind"), [("Server error, developers have been alerted.", TransientError), ("no speech", PermanentError)]
)
def test_a_job_of_assemblyai_that_fails_is_sent_again_only_if_the_service_is_to_blame(
    said: str, kind: type[Exception]
) -> None:
    def act(service: AssemblyAIService, server: RecognizerServer) -> None:
        service.end = lambda _: said
        (failure,) = outcomes(made(service, server, longest_at_once=0.1), asking(noise(1)))
        assert isinstance(failure, kind)
        assert said in str(failure)
        assert len(service.jobs) == 1

    _one(AssemblyAIService, act)


@pytest.mark.parametrize(
    ("status", "kind"), [("rejected", PermanentError), ("deleted", TransientError), ("expired", TransientError)]
)
def test_a_job_of_speechmatics_ends_as_documented(status: str, kind: type[Exception]) -> None:
    def act(service: SpeechmaticsService, server: RecognizerServer) -> None:
        service.end = lambda _: status
        (failure,) = outcomes(made(service, server), asking(noise(1)))
        assert isinstance(failure, kind)
        assert ("unsupported audio" in str(failure)) == (status == "rejected")

    _one(SpeechmaticsService, act)


def test_a_look_at_a_job_that_fails_in_passing_is_repeated_and_the_job_is_not_sent_again() -> None:
    def act(service: SpeechmaticsService, server: RecognizerServer) -> None:
        script = iter([None, *ANYWHERE, Reply(404, {"code": 404, "error": "Job not found"})])
        service.fault = lambda _: next(script, None)
        (response,) = ask(made(service, server), asking(noise(1)))
        assert response.text == words_of(service.heard[0].content)
        assert len(service.jobs) == 1

    _one(SpeechmaticsService, act)


@pytest.mark.parametrize(
    "page",
    [
        Reply(200, b"<html>log in</html>", {"Content-Type": "text/html"}),
        Reply(200, {"error": "Transcription not ready"}),
        Reply(200, b"\xff\xfe", {"Content-Type": "text/plain"}),
    ],
)
def test_what_stands_in_the_place_of_a_transcript_is_no_words(page: Reply) -> None:
    def act(service: SpeechmaticsService, server: RecognizerServer) -> None:
        script = iter([page])
        service.fault = lambda what: next(script, None) if what.startswith("transcript") else None
        (response,) = ask(made(service, server), asking(noise(1)))
        assert response.text == words_of(service.heard[0].content)
        assert len(service.jobs) == 1

    _one(SpeechmaticsService, act)


def test_google_is_asked_in_pieces_of_a_minute() -> None:
    def act(service: GoogleService, server: RecognizerServer) -> None:
        capabilities = made(service, server).capabilities
        assert (capabilities.longest_audio, capabilities.beyond) == (60, "splits")

    _one(GoogleService, act)


def test_a_region_is_part_of_the_address() -> None:
    words = ["model=google_chirp_3", "task=demo_clean", "model.project=p", "model.region=eu"]
    plan = plan_from_config(compose_configuration(words), {"model": "google_chirp_3", "task": "demo_clean"})
    assert plan.models["model"].config["base_url"] == "https://eu-speech.googleapis.com"


def test_a_recording_larger_than_a_service_takes_is_not_sent(service: Recognizer, server: RecognizerServer) -> None:
    (failure,) = outcomes(made(service, server, **{"request_limits.recording_bytes": 100}), asking(noise(1)))
    assert isinstance(failure, PermanentError)
    assert "not sent: 6444 bytes in one recording, the service takes 100" in str(failure)
    assert service.heard == []
