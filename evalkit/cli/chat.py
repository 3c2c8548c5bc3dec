"""``evalkit chat``: a page in the browser to talk with a model on."""

from collections.abc import Sequence
from itertools import groupby

from hydra.utils import instantiate

from evalkit.cli.catalogue import Folders
from evalkit.errors import ConfigurationError
from evalkit.run.composition import compose_settings
from evalkit.run.explanation import in_our_words

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


def command(arguments: Sequence[str], folders: Folders = ()) -> int:
    """Serve the page until it is interrupted."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(_USAGE)
        return 0
    known = {str(key) for key in compose_settings(_SETTINGS, (), folders)}
    own = [word for word in arguments if word.partition("=")[0].partition(".")[0] in known]
    others = [word for word in arguments if word not in own]
    models = [list(words) for is_parting, words in groupby(others, lambda word: word == "--") if not is_parting]
    for words in models or [[]]:
        if not any(word.startswith("model=") for word in words):
            raise ConfigurationError("choose whom to talk with, as model=NAME; `evalkit list models` says who there is")
    config = compose_settings(_SETTINGS, own, folders)
    with in_our_words():
        instantiate(config, models, [str(folder) for folder in folders], _convert_="all")
    return 0
