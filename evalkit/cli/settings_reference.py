"""The reference of every setting, made from the configuration: for ``evalkit run --help`` and ``docs/settings.md``."""

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from evalkit.cli.columns import columns
from evalkit.run.search_path import CONFIG_MODULE, CONFIG_NAME
from evalkit.run.settings import OPEN_MAPPINGS, known_settings, wanted

_LINE = re.compile(r"(?P<indent> *)(?P<key>[\w/@]+):(?: +(?P<value>.*?))??(?: +# *(?P<text>.*))?")
_CHOICE = re.compile(r"  - (?P<key>[\w@]+): (?P<value>\S+)(?: +# *(?P<text>.*))?")
_ARGUMENT = re.compile(r" {4,8}(?P<key>\w+): (?P<text>.*)")
_HIDDEN = ("defaults", "hydra", "_target_", "requires", "extra", "title", "published", "card")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: its dotted name.
        default: what it is if it is not given.
        text: what it does.
    """

    name: str
    default: str
    text: str


_OF_EVERY_MODEL = (
    Setting("python", "null", "the interpreter of another environment, in which a model of a process works"),
    Setting("batch_deadline", "1800", "seconds that it has there for a batch, and for being made"),
    Setting("launch", "null", "the command that starts a served model's server; {port} stands for a free port"),
)


def run_help() -> str:
    """Return what ``evalkit run --help`` prints."""
    text = _file(f"{CONFIG_NAME}.yaml")
    choices = [(f"{row.name}=", row.default, row.text) for row in _choices(text)]
    rows = [(f"{row.name}=", row.default, _kind(row), row.text) for row in settings(text)]
    return f"""\
usage: evalkit run model=NAME suite=NAME|task=NAME [SETTING=VALUE ...] [--config-dir FOLDER] [--multirun]

Evaluate a model. `evalkit list models|tasks|suites` shows what there is to choose from; a list of tasks is written
task=[NAME,NAME]. The same command again continues a run.

choices
{_indented(columns(("", "default", ""), choices))}

settings
{_indented(columns(("", "default", "", ""), rows))}

Any setting of a model, a role or a task is given by its path: model.path=FOLDER, judge.base_url=URL,
tasks.NAME.dataset.path=FOLDER, model.prompts.asr.generation.max_new_tokens=64.

--multirun limit=1,2        a run for each of the values (also seed=range(1,4)); their names tell them apart
--cfg job, --info plan      the configuration that comes of it, and how; nothing is run
--config-dir FOLDER         find configurations of yours there too
--debug                     the traceback of an error

example: evalkit run model=whisper_tiny_en suite=demo limit=2
"""


def reference_page() -> str:
    """Return ``docs/settings.md``."""
    return "\n".join(_page()).rstrip() + "\n"


def settings(text: str) -> list[Setting]:
    """Read the settings of a configuration file, whose comments say what they do.

    Args:
        text: the file, in which every setting has a line of its own.
    """
    rows: list[Setting] = []
    path: list[str] = []
    texts: list[str] = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        depth = len(match["indent"]) // 2
        path[depth:], texts[depth:] = [match["key"]], [match["text"] or ""]
        if path[0] in _HIDDEN:
            continue
        if match["value"]:
            said = match["text"] or ""
            context = texts[depth - 1] if depth else ""
            rows.append(Setting(".".join(path), match["value"], "; ".join(each for each in (context, said) if each)))
    return rows


def _page() -> Iterator[str]:
    run = _file(f"{CONFIG_NAME}.yaml")
    yield "# Settings"
    yield ""
    yield "<!-- Written by scripts/write_settings.py from configs/ and docstrings; change those and run it again. -->"
    yield ""
    yield (
        "Every setting is given on the command line as `NAME=VALUE`, by its dotted path. Names, titles and paths are "
        "taken as they stand, whatever characters they hold; a value of another kind follows Hydra's grammar."
    )
    yield from ("", "## Choices", "")
    yield from _table(("Group", "Default", "What it is"), _choices(run))
    yield from ("", "## Of a run", "")
    yield "| Setting | Default | Takes | What it does |"
    yield "| --- | --- | --- | --- |"
    for row in settings(run):
        yield f"| `{row.name}` | `{row.default}` | {_kind(row)} | {_cell(row.text)} |"
    open_mappings = ", ".join(f"`{name}`" for name in OPEN_MAPPINGS)
    yield from ("", "## Of models", "")
    yield f"Written `model.NAME=VALUE`, or `judge.NAME=VALUE` for another role. Open to keys of yours: {open_mappings}."
    yield from ("", "### Every model", "")
    yield from ("See [A model in another Python](other_python.md) and [Models behind a server](served_models.md).", "")
    yield from _table(("Setting", "Default", "What it does"), _OF_EVERY_MODEL)
    for name, text in _options("model"):
        rows = settings(text)
        if rows:
            yield from ("", f"### {name}", "")
            yield from (_description(text), "")
            yield from _table(("Setting", "Default", "What it does"), rows)
    yield from ("", "## Of executors")
    for name, text in _options("executor"):
        yield from ("", f"### {name}", "", _description(text), "")
        yield from _table(("Setting", "Default", "What it does"), settings(text))
    yield from ("", "## Of data sets", "")
    yield "Written `tasks.NAME.dataset.SETTING=VALUE`, where the data set is one of `evalkit.datasets.open_dataset`."
    yield ""
    from evalkit.datasets import open_dataset
    from evalkit.place import TablePlace

    yield from _table(("Setting", "Default", "What it does"), _arguments(open_dataset))
    yield from ("", "## Of a task's place in the tables", "")
    yield from ("Written under the task's key for its place in a configuration.", "")
    yield from _table(("Setting", "Default", "What it does"), _arguments(TablePlace))


def _kind(row: Setting) -> str:
    return wanted(row.name) if row.name in known_settings() else ""


def _choices(text: str) -> list[Setting]:
    found = (_CHOICE.fullmatch(line) for line in text.splitlines())
    return [Setting(match["key"], match["value"], match["text"] or "") for match in found if match]


def _options(group: str) -> Iterator[tuple[str, str]]:
    folder = files(CONFIG_MODULE) / group
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            yield file.name.removesuffix(".yaml"), file.read_text(encoding="utf-8")


def _file(name: str) -> str:
    return (files(CONFIG_MODULE) / name).read_text(encoding="utf-8")


def _description(text: str) -> str:
    comment = text.partition("\n")[0]
    return comment.lstrip("# ").rstrip(".") + "." if comment.startswith("#") else ""


def _arguments(described: Callable[..., Any]) -> list[Setting]:
    """Return a row for each argument or attribute: its name, its default and what a docstring says of it."""
    texts: dict[str, list[str]] = {}
    name = ""
    for line in (inspect.getdoc(described) or "").splitlines():
        if match := _ARGUMENT.fullmatch(line):
            name = match["key"]
            texts[name] = [match["text"]]
        elif name and line.startswith("        "):
            texts[name].append(line.strip())
        else:
            name = ""
    parameters = inspect.signature(described).parameters
    return [
        Setting(name, _default(parameters[name]), " ".join(text)) for name, text in texts.items() if name in parameters
    ]


def _default(parameter: inspect.Parameter) -> str:
    if parameter.default is inspect.Parameter.empty:
        return "to be given"
    return "null" if parameter.default is None else str(parameter.default)


def _table(heading: Sequence[str], rows: Sequence[Setting]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield "| --- | --- | --- |"
    for row in rows:
        default = f"`{row.default}`" if row.default else ""
        yield f"| `{row.name}` | {_cell(default)} | {_cell(row.text)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines()[1:])
