"""The commands that look and do not run: what they print, and what they must not import to print it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import evalkit
from evalkit.cli.catalogue import read_models
from evalkit.cli.main import main
from evalkit.errors import ConfigurationError
from tests.conftest import ROOT, CommandLine, write_jsonl

HEAVY = ("torch", "pandas", "matplotlib", "transformers", "datasets", "faster_whisper", "ctranslate2")
WITHOUT_HEAVY_IMPORTS = """
import sys
from evalkit.cli.main import main
try:
    status = main(sys.argv[2:])
except SystemExit as exit:
    status = exit.code
loaded = [name for name in sys.argv[1].split(",") if name in sys.modules]
assert not loaded, loaded
sys.exit(status)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["list", "models"],
        ["list", "tasks"],
        ["list", "suites"],
        ["list", "published"],
        ["show", "task=librispeech_clean", "model=whisper_tiny_en"],
        ["show", "suite=asr", "model=predictions", "model.path=x"],
        pytest.param(["doctor"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_looking_around_loads_nothing_heavy(tmp_path: Path, words: list[str]) -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", WITHOUT_HEAVY_IMPORTS, ",".join(HEAVY), *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert len(outcome.stdout) > 10


@pytest.mark.parametrize("what", ["models", "tasks", "suites"])
def test_listing_configurations_loads_nothing_that_reads_runs(what: str) -> None:
    command = [sys.executable, "-c", WITHOUT_HEAVY_IMPORTS, "numpy,hydra,evalkit.results", "list", what]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr


def test_importing_evalkit_loads_no_library() -> None:
    code = (
        "import sys, evalkit; print([name for name in ('numpy', 'hydra', 'yaml', 'rapidfuzz') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_help_names_every_command(evalkit_command: CommandLine) -> None:
    help_text = evalkit_command("--help").stdout
    for name in ("run", "list", "show", "score", "report", "compare", "doctor"):
        assert f"\n  {name} " in help_text
    assert evalkit_command("--version").stdout.strip() == f"evalkit {evalkit.__version__}"
    outcome = evalkit_command("rnu")
    assert outcome.returncode == 2
    assert "rnu" in outcome.stderr


def test_every_row_of_the_readme_table_is_a_task(evalkit_command: CommandLine) -> None:
    from evalkit.cli.catalogue import read_options
    from reports.published import load_published

    rows = {
        (result.group, result.benchmark)
        for result in load_published()
        if result.table == "asr" and result.benchmark != "Average" and result.release.startswith("2025-0")
        if "article" not in result.release
    }
    tasks = {
        (option.content["place"]["group"], option.content["place"]["benchmark"]): option.name
        for option in read_options("task")
        if option.content.get("place", {}).get("table") == "asr"
    }
    assert set(tasks) >= rows
    listed = evalkit_command("list", "tasks").stdout
    for name in tasks.values():
        assert f"\n{name} " in listed


@pytest.mark.slow
def test_every_task_and_suite_composes_and_can_be_shown(
    evalkit_command: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    from evalkit.cli.catalogue import read_options

    names = ",".join(option.name for option in read_options("task"))
    outcome = evalkit_command("show", f"task=[{names}]", "model=whisper_tiny_en", "schemes=all")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.count("metric:") >= len(names.split(","))
    # In this process, as a process for each of them would take ten seconds.
    for suite in read_options("suite"):
        assert main(["show", f"suite={suite.name}"]) == 0, suite.name
        assert "metric:" in capsys.readouterr().out


def test_show_prints_the_exact_request_of_a_real_sample(tmp_path: Path, evalkit_command: CommandLine) -> None:
    manifest = write_jsonl(tmp_path / "m.jsonl", [{"id": "first", "audio": "x.wav", "text": "a"}])
    outcome = evalkit_command(
        "show",
        "task=aishell",
        f"tasks.aishell.dataset.path={manifest}",
        "model=whisper_tiny_en",
        "prompts@model.prompts=step_audio_2",
    )
    assert "sample first" in outcome.stdout
    assert '"content": [\n          "请记录下你所听到的语音内容。"\n        ]' in outcome.stdout
    assert '"audio": "x.wav"' in outcome.stdout
    assert '"language": null' in outcome.stdout
    assert '"max_new_tokens": 256' in outcome.stdout


def test_show_prints_what_each_stage_of_a_cascade_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    cascade = ["model=cascade", "model@asr=pocketsphinx", "model@llm=openai_chat", "model@tts=piper"]
    assert main(["show", "task=demo_uro_repeat", *cascade]) == 0
    shown = capsys.readouterr().out
    assert re.findall(r"\n  \{\n    \"role\": \"(\w+)\"", shown) == ["asr", "llm", "tts"]
    assert "request to its stage llm, with words that stand in for the answers before it" in shown
    assert shown.count("These words stand in for an answer.") == 2, "the transcript, and the words to speak"


@pytest.mark.slow
def test_doctor_says_what_is_missing_and_what_to_do(tmp_path: Path, evalkit_command: CommandLine) -> None:
    (tmp_path / "data" / "data_aishell").mkdir(parents=True)
    outcome = evalkit_command("doctor", env={"EVALKIT_DATA": str(tmp_path / "data")})
    lines = {line.split()[0]: line for line in outcome.stdout.splitlines() if line.strip()}
    assert "at hand:" in lines["aishell"]
    assert "part of evalkit" in lines["demo_clean"]
    assert "a download link with its password" in lines["kespeech_phase1"]
    assert "openslr/librispeech_asr" in lines["librispeech_clean"]
    assert "give model.path=" in lines["predictions"]
    absent = subprocess.run(
        [
            sys.executable,
            "-c",
            "import importlib.util as u, sys; find = u.find_spec;"
            "u.find_spec = lambda name, *rest: None if name == 'faster_whisper' else find(name, *rest);"
            "from evalkit.cli.main import main; main(['doctor'])",
        ],
        capture_output=True,
        text=True,
    )
    assert f"faster_whisper not installed; pip install -e '{ROOT}[whisper]'" in absent.stdout


@pytest.mark.parametrize(
    "content", ["title: " + "[" * 200_000, "title: a\x00b"], ids=["nested", "no character of YAML"]
)
def test_a_configuration_that_no_yaml_is_made_of_is_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "odd.yaml").write_text(content)
    with pytest.raises(ConfigurationError, match=r"odd\.yaml: is not valid YAML \("):
        list(read_models([tmp_path]))
