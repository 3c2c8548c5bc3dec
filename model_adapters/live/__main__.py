"""Talk with any model on a terminal: files and lines in, words and WAV files out.

    python -m model_adapters.live model=openai_chat model.model=NAME model.base_url=URL --say question.wav

The words are those of `evalkit run`. Each turn is a recording's file, or a text; without any, turns are read from
standard input, one a line.
"""

import argparse
import sys
from contextlib import ExitStack, closing
from pathlib import Path

from evalkit.errors import EvalkitError
from step_audio_2.live.options import parser_of, run


def main() -> int:
    """Hold a conversation, and say in one line what is wrong."""
    return run(_parser(), _talk, EvalkitError)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("model_adapters.live", __doc__ or "")
    parser.add_argument("words", nargs="+", metavar="WORD", help="what chooses the model, such as model=openai_chat")
    parser.add_argument("--config-dir", type=Path, action="append", default=[], help="a further folder of them")
    parser.add_argument("--say", action="append", default=[], metavar="TURN", help="a recording's file, or a text")
    parser.add_argument(
        "--most-tokens", type=int, metavar="N", help="remind the model of no more than fit into so many"
    )
    return parser


def _talk(options: argparse.Namespace, resources: ExitStack) -> None:
    from model_adapters.live.dialogue import ModelDialogue
    from model_adapters.live.opening import open_model
    from step_audio_2.live.saved import About
    from step_audio_2.live.terminal import Talk

    talk = Talk(options, options.say, resources)
    opened = open_model(
        options.words, options.config_dir, written=options.write, notify=lambda line: print(line, file=sys.stderr)
    )
    models = resources.enter_context(closing(opened.models))
    tools = talk.tools(opened.token2wav, opened.voice) if models.capabilities.tools else []
    if not models.capabilities.tools:
        print(f"{models.title} calls no tools: it is offered none", file=sys.stderr)
    system = talk.system(has_tools=bool(tools))
    dialogue = ModelDialogue(
        models,
        system,
        tools,
        spoken=opened.spoken,
        token2wav=opened.token2wav,
        voice=opened.voice,
        generation=opened.generation,
        most_tokens=options.most_tokens,
        seed=talk.seed,
    )
    schemas = tuple(tool.schema for tool in tools)
    talk.hold(dialogue, About(models.description, opened.generation, talk.seed, system, schemas))


if __name__ == "__main__":
    sys.exit(main())
