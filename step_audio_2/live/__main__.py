"""Talk with the assistant on a terminal: files and lines in, words and WAV files out.

    python -m step_audio_2.live CHECKPOINT [TURN ...] --voice voice.wav --output answers

Each turn is a recording's file, or a text; without any, turns are read from standard input, one a line.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from step_audio_2.live.calculator import calculator
from step_audio_2.live.clock import BEIJING, clock
from step_audio_2.live.prompts import system_prompt
from step_audio_2.live.tools import Tool


def main() -> int:
    """Hold a conversation, and say in one line what is wrong."""
    options = _options()
    try:
        with ExitStack() as resources:
            _talk(options, resources)
    except (ValueError, ImportError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    description, _, usage = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser("python -m step_audio_2.live", description=description, epilog=usage)
    parser.add_argument("checkpoint", help="its folder, or its name on the hub")
    parser.add_argument("turns", nargs="*", metavar="TURN", help="a recording's file, or a text")
    parser.add_argument("--think", action="store_true", help="the checkpoint is mini Think")
    parser.add_argument("--device", default="cpu", help="such as cuda or mps")
    parser.add_argument("--dtype", default="float32", help="of the weights, such as bfloat16")
    parser.add_argument("--system", help="another system message")
    parser.add_argument("--voice", type=Path, help="a recording of the voice; the checkpoint's own if it has one")
    parser.add_argument("--speech-int8", action="store_true", help="faster speech on a CPU, in 8-bit numbers")
    parser.add_argument("--speech-steps", type=int, default=10, help="of the flow; fewer make faster and worse speech")
    parser.add_argument("--first-chunk", type=int, default=25, help="codes before the first sound, 5 to 25")
    parser.add_argument("--write", action="store_true", help="answer in writing")
    parser.add_argument("--output", type=Path, default=Path("answers"), help="the folder for the spoken answers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--documents", type=Path, help="search this folder of texts")
    parser.add_argument("--searxng", metavar="URL", help="search the web by this instance of SearXNG")
    parser.add_argument("--weather", type=Path, metavar="TABLE", help="a JSON table of the weather, not Open-Meteo")
    parser.add_argument("--voices", type=Path, metavar="LIBRARY", help="a folder of voices to change to")
    parser.add_argument("--mcp", action="append", default=[], metavar="COMMAND", help="a server of tools to start")
    return parser.parse_args()


def _talk(options: argparse.Namespace, resources: ExitStack) -> None:
    import torch

    from step_audio_2.assistant import Assistant
    from step_audio_2.audio_file import load_audio
    from step_audio_2.chat import AudioPart
    from step_audio_2.checkpoint import TOKEN2WAV, checkpoint_folder, default_voice
    from step_audio_2.live.conversation import Conversation
    from step_audio_2.speech.token2wav import Token2Wav

    folder = checkpoint_folder(options.checkpoint)
    assistant = Assistant.from_pretrained(
        folder, "think" if options.think else "chat", dtype=options.dtype, device_map={"": options.device}
    )
    token2wav = voice = None
    if not options.write:
        voice = options.voice or default_voice(folder)
        if voice is None:
            raise ValueError("the checkpoint has no voice to speak in: name a recording with --voice, or --write")
        token2wav = Token2Wav.from_pretrained(
            folder / TOKEN2WAV,
            options.device,
            torch.int8 if options.speech_int8 else torch.float32,
            timesteps=options.speech_steps,
            first_chunk=options.first_chunk,
        )
    tools = list(_tools(options, resources))
    if options.voices is not None and token2wav is not None and voice is not None:
        from step_audio_2.live.audio_library import AudioLibrary
        from step_audio_2.live.voice_search import voice_search

        tools.append(voice_search(AudioLibrary.from_folder(options.voices), token2wav, voice))
    system = options.system or system_prompt(datetime.now(BEIJING).date(), has_tools=True)
    conversation = Conversation(assistant, system, tools, token2wav=token2wav, voice=voice, seed=options.seed)
    for number, turn in enumerate(options.turns or map(str.strip, sys.stdin), 1):
        content = AudioPart(load_audio(turn)) if Path(turn).is_file() else turn
        print(f"[{number}] {turn}")
        _show(conversation.answer(content), options.output / f"{number}.wav")


def _tools(options: argparse.Namespace, resources: ExitStack) -> Iterator[Tool]:
    from step_audio_2.live.weather import OpenMeteo, WeatherTable, weather_tool
    from step_audio_2.live.web_search import DocumentFolder, SearXNG, web_search

    yield from (clock(), calculator())
    yield weather_tool(WeatherTable(options.weather) if options.weather else OpenMeteo())
    if options.documents or options.searxng:
        yield web_search(SearXNG(options.searxng) if options.searxng else DocumentFolder(options.documents))
    for command in options.mcp:
        import shlex

        from step_audio_2.live.mcp_tools import McpTools

        yield from resources.enter_context(McpTools(shlex.split(command)))


def _show(events: Iterator[object], path: Path) -> None:
    """Print what is said and done in a turn, and write its sound."""
    import soundfile
    import torch

    from step_audio_2.answers import SpeechDelta
    from step_audio_2.assistant import Thought
    from step_audio_2.live.conversation import ToolFinished, ToolStarted
    from step_audio_2.speaking import Sound
    from step_audio_2.speech.token2wav import Token2Wav
    from step_audio_2.tool_calls import ContentDelta

    sounds: list[Sound] = []
    for event in events:
        match event:
            case SpeechDelta(text) | ContentDelta(text):
                print(text, end="", flush=True)
            case Thought():
                print(f"({event.text.strip()} [{event.tokens} tokens, {event.seconds:.1f} s])")
            case ToolStarted(call):
                print(f"\n-> {call.name} {call.arguments}")
            case ToolFinished():
                print(f"<- {event.result.text} [{event.seconds:.1f} s]")
            case Sound():
                sounds.append(event)
    print()
    if sounds:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, torch.cat([sound.waveform for sound in sounds]).numpy(), Token2Wav.sample_rate)
        print(f"{path}, first sound after {sounds[0].seconds:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
