"""Regenerate the recordings of the tool loop's benchmark: all FLAC files of ``tasks/tool_loop/speech``.

What is said stands in ``questions.jsonl`` and ``voices.tsv``. Every recording is made by an openly licensed
synthesizer and brought to 16 kHz and one level. Usage, once the synthesizers are there::

    python scripts/make_tool_loop_speech.py --piper-python PATH/TO/VENV/bin/python [--output FOLDER]

Flite and Piper speak as in ``make_demo_speech.py``; every other name of a speaker is a voice of eSpeak NG, which is
under the GPL and runs as a program of its own. Its Mandarin is intelligible, and no more than that.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr
from make_demo_speech import (
    FLITE_VOICES,
    PEAK_LIMIT,
    PIPER_VOICE,
    SAMPLE_RATE,
    SPEECH_LEVEL_DBFS,
    Waveform,
    flite_command,
    missing_synthesizers,
    piper_command,
    piper_model_path,
    root_mean_square,
    trim_silence,
)

FOLDER = Path(__file__).resolve().parent.parent / "tasks" / "tool_loop" / "speech"
WORDS_PER_MINUTE = 200


def sentences(folder: Path) -> dict[str, tuple[str, str]]:
    """Return speaker and words of every recording, by its path in the folder."""
    wanted = {}
    for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        for turn in json.loads(line)["turns"]:
            wanted[turn["audio"]] = turn["speaker"], turn["text"]
    with (folder / "voices.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            wanted[row["recording"]] = row["speaker"], row["text"]
    return wanted


def command(speaker: str, text: str, wav_path: Path, piper_python: str) -> list[str]:
    """Return the command by which a speaker says a text into a file."""
    if speaker in FLITE_VOICES:
        return flite_command(speaker, text, wav_path)
    if speaker == PIPER_VOICE:
        return piper_command(piper_python, str(piper_model_path(piper_python)), text, wav_path)
    return ["espeak-ng", "-v", speaker, "-s", str(WORDS_PER_MINUTE), "-w", str(wav_path), text]


def spoken(speaker: str, text: str, piper_python: str) -> Waveform:
    """Return a sentence as mono sound at 16 kHz, trimmed and at one level."""
    with tempfile.TemporaryDirectory() as folder:
        wav_path = Path(folder) / "speech.wav"
        subprocess.run(command(speaker, text, wav_path, piper_python), check=True, stdout=subprocess.DEVNULL)
        waveform, sample_rate = soundfile.read(wav_path, dtype="float64")
    waveform = trim_silence(soxr.resample(waveform, sample_rate, SAMPLE_RATE))
    waveform = waveform * 10 ** (SPEECH_LEVEL_DBFS / 20) / root_mean_square(waveform)
    quieter: Waveform = waveform * min(1.0, PEAK_LIMIT / float(np.max(np.abs(waveform))))
    return quieter


def main() -> int:
    """Run the command line; return 1, after saying what to install, if a synthesizer is missing."""
    parser = argparse.ArgumentParser(description="Regenerate the recordings of the tool loop's benchmark.")
    parser.add_argument("--piper-python", default=sys.executable, help="interpreter of the environment with Piper")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder to write to")
    arguments = parser.parse_args()
    missing = missing_synthesizers(arguments.piper_python)
    if shutil.which("espeak-ng") is None:
        missing.append("eSpeak NG: apt-get install espeak-ng")
    if missing:
        print("Cannot make the recordings; please install:", *missing, sep="\n  ", file=sys.stderr)
        return 1
    for path, (speaker, text) in sentences(FOLDER).items():
        waveform = spoken(speaker, text, arguments.piper_python)
        file = arguments.output / path
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, np.round(waveform * 32767).astype(np.int16), SAMPLE_RATE, subtype="PCM_16")
    return 0


if __name__ == "__main__":
    sys.exit(main())
