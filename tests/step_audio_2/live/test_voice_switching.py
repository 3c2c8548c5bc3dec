"""A voice is changed among real speakers, and what speech is made with moves towards the new one.

The network that embeds speakers has its published size and random weights. Even so recordings of one speaker lie closer
together than those of two, once the mean of all is taken away, as far as that is a matter of the speaker and not of the
room. The flow and the vocoder are small and random: that the speech itself sounds like the new voice is not shown here.
"""

import itertools
import json
import statistics
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from step_audio_2.live.audio_library import AudioLibrary, Entry
from step_audio_2.live.tools import ToolResult
from step_audio_2.live.voice_search import voice_search
from step_audio_2.speech import SpeakerEncoder, SpeakerEncoderConfig, Token2Wav
from step_audio_2.speech.voice import VoiceMaker

pytest.importorskip("bm25s", reason="the live extra is not installed")

NAMES = ("alder", "birch", "cedar", "dogwood")
RECORDINGS = 3


@pytest.fixture
def real_voices(token2wav: Token2Wav) -> Token2Wav:
    assert token2wav._voices is not None
    torch.manual_seed(0)
    maker = VoiceMaker(token2wav._voices._tokenize, SpeakerEncoder(SpeakerEncoderConfig()).embed)
    return Token2Wav(token2wav.flow, token2wav.vocoder, maker)


@pytest.fixture
def recordings(shared_data: Path) -> dict[str, list[Path]]:
    """Three of each of four speakers, of 3 to 9 seconds."""
    folder = shared_data / "librispeech_test_other"
    spoken = defaultdict(list)
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if 3 <= record["duration"] <= 9:
            spoken[record["speaker"]].append(folder / record["audio"])
    enough = [files[:RECORDINGS] for _, files in sorted(spoken.items()) if len(files) >= RECORDINGS]
    return dict(zip(NAMES, enough, strict=False))


@pytest.mark.slow
def test_the_speaker_becomes_more_like_the_voice_that_was_asked_for(
    real_voices: Token2Wav, recordings: dict[str, list[Path]]
) -> None:
    library = AudioLibrary([Entry(files[0], description=name) for name, files in recordings.items()])
    tool = voice_search(library, real_voices, recordings[NAMES[0]][0])

    switched = {}
    for name in NAMES:
        result = tool.run(query=name)
        assert isinstance(result, ToolResult)
        assert result.voice is not None
        switched[name] = result.voice
        speaker = real_voices.stream(result.voice)._state.speaker
        directions = functional.normalize(result.voice.speaker_embedding, dim=1)
        torch.testing.assert_close(speaker, real_voices.flow.spk_embed_affine_layer(directions))

    others = {
        name: torch.stack([real_voices.voice(path).speaker_embedding[0] for path in files[1:]])
        for name, files in recordings.items()
    }
    mean = torch.cat(list(others.values())).mean(dim=0)

    def similarity(spoken: str, target: str) -> float:
        """Of the voice that is spoken in to other recordings of the target's speaker."""
        voice = switched[spoken].speaker_embedding - mean
        return float(functional.cosine_similarity(voice, others[target] - mean).mean())

    rises = {
        (before, after): similarity(after, after) - similarity(before, after)
        for before, after in itertools.permutations(NAMES, 2)
    }
    assert min(rises.values()) > 0, rises
    assert statistics.mean(rises.values()) > 0.5, rises
