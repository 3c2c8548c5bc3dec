"""When a turn begins and ends, told from real recordings."""

import numpy as np
import pytest
import soundfile

pytest.importorskip("silero_vad", reason="the live extra is not installed")

from step_audio_2.live.page.voice_activity import (
    SAMPLE_RATE,
    Samples,
    SpeechDetector,
    SpeechEnded,
    SpeechStarted,
    TurnTaking,
    VoiceActivity,
)
from tests.conftest import DEMO_SPEECH


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    return SpeechDetector()


def recording(name: str) -> Samples:
    samples, rate = soundfile.read(DEMO_SPEECH / "audio" / f"{name}.flac", dtype="float32")
    assert rate == SAMPLE_RATE
    return samples


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def turns(detector: SpeechDetector, sound: Samples, **settings: float) -> list[float]:
    """Seconds of each turn; the sound comes in pieces as of a browser."""
    activity = VoiceActivity(detector, TurnTaking(**settings))
    events = [event for start in range(0, len(sound), 500) for event in activity.feed(sound[start : start + 500])]
    assert [type(event) for event in events] == [SpeechStarted, SpeechEnded] * (len(events) // 2)
    return [len(event.waveform) / SAMPLE_RATE for event in events if isinstance(event, SpeechEnded)]


@pytest.mark.parametrize("name", ["clean-slt-01", "clean-awb-02", "reverberation-rms-01", "noise-slt-01"])
def test_a_turn_is_what_was_said_with_a_little_silence_around_it(name: str, detector: SpeechDetector) -> None:
    said = recording(name)
    (seconds,) = turns(detector, np.concatenate([silence(2), said, silence(2)]))
    assert len(said) / SAMPLE_RATE - 0.4 < seconds < len(said) / SAMPLE_RATE + 1


def test_pauses_part_turns_if_they_are_long_enough(detector: SpeechDetector) -> None:
    sound = np.concatenate([silence(1), recording("clean-slt-01"), silence(1.2), recording("clean-rms-01"), silence(2)])
    assert len(turns(detector, sound)) == 2
    assert len(turns(detector, sound, stop=1.6)) == 1


def test_what_is_no_speech_begins_no_turn(detector: SpeechDetector) -> None:
    time = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    noise = np.random.default_rng(0).normal(0, 0.05, len(time))
    hum = 0.3 * np.sin(2 * np.pi * 100 * time)
    for sound in (silence(3), noise.astype(np.float32), hum.astype(np.float32)):
        assert turns(detector, sound) == []


def test_a_turn_ends_at_its_longest(detector: SpeechDetector) -> None:
    said = np.concatenate([recording("clean-slt-01"), recording("clean-slt-02")])
    first, *_ = turns(detector, np.concatenate([silence(1), said, silence(1)]), longest=2)
    assert first == pytest.approx(2, abs=0.05)


def test_a_word_too_short_to_begin_a_turn_interrupts_nobody(detector: SpeechDetector) -> None:
    said = recording("clean-slt-01")[8_000:11_200]  # 0.2 seconds
    sound = np.concatenate([silence(1), said, silence(1)])
    assert len(turns(detector, sound, start=0.1)) == 1
    assert turns(detector, sound, start=0.6) == []


def test_microphones_have_states_of_their_own(detector: SpeechDetector) -> None:
    loud, quiet = (VoiceActivity(detector, TurnTaking()) for _ in range(2))
    said = np.concatenate([silence(1), recording("clean-slt-01"), silence(1)])
    heard: dict[str, int] = {"loud": 0, "quiet": 0}
    for start in range(0, len(said), 512):
        heard["loud"] += len(list(loud.feed(said[start : start + 512])))
        heard["quiet"] += len(list(quiet.feed(silence(0.032))))
    assert heard == {"loud": 2, "quiet": 0}


@pytest.mark.parametrize(
    ("name", "value"), [("stop", 0), ("start", -1), ("threshold", 2), ("longest", "x"), ("stop", 1e9)]
)
def test_settings_that_cannot_be_are_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"turn_taking.{name} is"):
        TurnTaking(**{name: value})  # type: ignore[arg-type]
