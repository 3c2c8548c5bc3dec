"""``evalkit chat``: a page in the browser to talk with a model on."""

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any

from omegaconf import OmegaConf

from evalkit.cli.catalogue import Folders, primary_content
from evalkit.errors import ConfigurationError
from evalkit.instantiation import instantiated
from evalkit.run.composition import compose_settings, listed_roles
from evalkit.run.explanation import in_our_words, unknown_key
from evalkit.run.settings import check_chat_settings

_USAGE = """usage: evalkit chat model=NAME [KEY=VALUE ...] [-- model=NAME [KEY=VALUE ...]] [--config-dir FOLDER]

Serves a page to talk with a model on, and prints its address: microphone, recordings and text in, speech and text out,
tool calls and what they found beside. Ctrl-C ends it.

model=NAME and the words of `evalkit run` that go with it choose the model: Step-Audio 2 in this process, a model behind
a server, a cascade. After -- stands another one, to choose from on the page. Further settings, of configs/chat.yaml:

  host=HOST port=PORT   to listen at (127.0.0.1, any that is free); from other machines with the token that is printed
  sessions=N            pages that may be open at once (4)
  system=TEXT           the system message that is offered
  write=true            have models write that could speak
  seed=N                of what sampled answers draw
  voices=FOLDER         a library of voices to change to
  tools.documents=FOLDER, tools.searxng=URL, tools.weather=TABLE, tools.mcp=[COMMAND]
  turn_taking.stop=0.5  seconds of silence that end a turn; also start, before, longest and threshold

example: evalkit chat model=step_audio_2_mini model.path=CHECKPOINT voices=FOLDER"""

_SETTINGS = "chat"
_ROLES = "model@"


def command(arguments: Sequence[str], folders: Folders = ()) -> int:
    """Serve the page until it is interrupted."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(_USAGE)
        return 0
    known = [key for key in primary_content(folders, _SETTINGS) if not key.startswith("_")]
    own = [word for word in arguments if _section(word) in known]
    others = [word for word in arguments if word not in own]
    _refuse_unknown(others, known, folders)
    models = [list(words) for is_parting, words in groupby(others, lambda word: word == "--") if not is_parting]
    for words in models or [[]]:
        if not any(word.startswith("model=") for word in words):
            raise ConfigurationError("choose whom to talk with, as model=NAME; `evalkit list models` says who there is")
    config = compose_settings(_SETTINGS, own, folders)
    check_chat_settings(config)
    with in_our_words():
        settings: Any = OmegaConf.to_container(config, resolve=True)
        instantiated(settings, models, [str(folder) for folder in folders])
    return 0


def _section(word: str) -> str:
    return word.partition("=")[0].partition(".")[0]


def _refuse_unknown(words: Sequence[str], known: Collection[str], folders: Folders) -> None:
    """Refuse a plain key that neither this command nor those who choose a model know, and name those of both."""
    run = primary_content(folders)
    groups = [group for default in run["defaults"] if isinstance(default, dict) for group in default]
    choices = [*listed_roles(), *(_section(word) for word in words if word.startswith(_ROLES))]
    roles = [choice.removeprefix(_ROLES) for choice in choices]
    plain = [
        *known,
        *(key for key in run if key not in ("defaults", "hydra")),
        *(group for group in groups if group.isidentifier()),
    ]
    for word in words:
        section = _section(word)
        if section.isidentifier() and section not in {*plain, *roles}:
            raise ConfigurationError(unknown_key(section, list(dict.fromkeys(plain))))
