"""Talk with the assistant on a terminal: files and lines in, words and WAV files out; or, with --page, in the browser.

    python -m step_audio_2.live CHECKPOINT [TURN ...] --voice voice.wav --output answers
    python -m step_audio_2.live CHECKPOINT --page

Each turn is a recording's file, or a text; without any, turns are read from standard input, one a line.
"""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from step_audio_2.live.options import parser_of, run


def main() -> int:
    """Hold a conversation, and say in one line what is wrong."""
    return run(_parser(), _talk)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("step_audio_2.live", __doc__ or "")
    parser.add_argument("checkpoint", help="its folder, or its name on the hub")
    parser.add_argument("turns", nargs="*", metavar="TURN", help="a recording's file, or a text")
    parser.add_argument("--think", action="store_true", help="the checkpoint is mini Think")
    parser.add_argument("--device", default="cpu", help="such as cuda or mps")
    parser.add_argument("--dtype", default="float32", help="of the weights, such as bfloat16")
    parser.add_argument("--voice", type=Path, help="a recording of the voice; the checkpoint's own if it has one")
    parser.add_argument("--speech-int8", action="store_true", help="faster speech on a CPU, in 8-bit numbers")
    parser.add_argument("--speech-steps", type=int, default=10, help="of the flow; fewer make faster and worse speech")
    parser.add_argument("--first-chunk", type=int, default=25, help="codes before the first sound, 5 to 25")
    parser.add_argument("--page", action="store_true", help="serve a page to talk on, to this machine alone")
    parser.add_argument("--port", type=int, default=0, help="of the page (default: any that is free)")
    return parser


def _talk(options: argparse.Namespace, resources: ExitStack) -> None:
    import torch

    from step_audio_2.assistant import Assistant, Kind
    from step_audio_2.checkpoint import TOKEN2WAV, checkpoint_folder, default_voice
    from step_audio_2.live.conversation import SPOKEN, Conversation
    from step_audio_2.live.saved import About
    from step_audio_2.live.terminal import Talk
    from step_audio_2.speech.token2wav import Token2Wav

    if options.page:
        from step_audio_2.live.page.server import listen, serve

        port = resources.enter_context(listen("127.0.0.1", options.port))
    talk = Talk(options, options.turns, resources)
    folder = checkpoint_folder(options.checkpoint)
    kind: Kind = "think" if options.think else "chat"
    assistant = Assistant.from_pretrained(folder, kind, dtype=options.dtype, device_map={"": options.device})
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
    tools = talk.tools(token2wav, voice)
    system = talk.system(has_tools=True)
    if options.page:
        from step_audio_2.live.page.agent import StepAudio2Agent, voices_to_choose

        voices = voices_to_choose(voice, talk.library) if voice is not None else {}
        agent = StepAudio2Agent(
            folder.name, assistant, system, tools, token2wav=token2wav, voices=voices, seed=talk.seed
        )
        serve([agent], port)
        return
    conversation = Conversation(assistant, system, tools, token2wav=token2wav, voice=voice, seed=talk.seed)
    model = {"title": folder.name, "kind": kind, "dtype": options.dtype, "device": options.device}
    schemas = tuple(tool.schema for tool in tools)
    talk.hold(conversation, About(model, SPOKEN, talk.seed, system, schemas))


if __name__ == "__main__":
    sys.exit(main())
