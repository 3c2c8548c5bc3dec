"""The command in a user's own surroundings: folders of our names, installed configurations, odd outputs, shells."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, CommandLine, write_jsonl

COMMAND = Path(sys.executable).parent / "evalkit"
ROOMS = ("tasks", "configs", "reports", "model_adapters", "step_audio_2")


@pytest.fixture
def demo(tmp_path: Path) -> list[str]:
    """The words of a run that takes a moment."""
    rows = [json.loads(line) for line in (ROOT / "tasks/demo_speech/manifest.jsonl").read_text().splitlines()]
    write_jsonl(tmp_path / "answers.jsonl", [{"id": row["id"], "text": row["text"]} for row in rows])
    return ["run", "task=demo_clean", "model=predictions", "model.path=answers.jsonl"]


@pytest.mark.slow
def test_folders_of_our_names_change_nothing(tmp_path: Path, demo: list[str], evalkit_command: CommandLine) -> None:
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("raise RuntimeError('not yours')")
    outcome = evalkit_command(*demo)  # python -m: the working directory comes first on the path
    assert outcome.returncode == 0, outcome.stderr
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    again = subprocess.run([COMMAND, *demo], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert evalkit_command("report", "runs/predictions-demo_clean").returncode == 0


@pytest.mark.slow
def test_a_package_of_ours_name_that_was_asked_for_is_named(
    tmp_path: Path, demo: list[str], evalkit_command: CommandLine
) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/__init__.py").touch()
    (tmp_path / "tasks/mine.py").write_text("class Mine: pass")
    outcome = evalkit_command(*demo, "tasks.demo_clean._target_=tasks.mine.Mine")
    assert outcome.returncode == 2
    assert f"yours ({tmp_path / 'tasks'}) cannot be reached: give your package another name" in outcome.stderr
    code = "import evalkit; evalkit.evaluate('echo', task='demo_clean')"
    api = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert f"the package 'tasks' of this program ({tmp_path / 'tasks'}) hides evalkit's own" in api.stderr


@pytest.mark.slow
def test_an_installed_package_brings_its_configurations(tmp_path: Path, evalkit_command: CommandLine) -> None:
    package = tmp_path / "site/their_configs"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "model/theirs.yaml").write_text("# Their model\ndefaults: [echo, _self_]\ntitle: Theirs\n")
    information = tmp_path / "site/theirs-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[evalkit.configs]\ntheirs = their_configs\n")
    environment = {"PYTHONPATH": str(tmp_path / "site")}
    assert "Theirs" in evalkit_command("list", "models", env=environment).stdout
    assert "theirs " in evalkit_command("doctor", env=environment).stdout
    shown = evalkit_command("show", "task=demo_clean", "model=theirs", env=environment)
    assert "request to Theirs" in shown.stdout, shown.stderr
    run = evalkit_command("run", "task=demo_clean", "model=theirs", env=environment)
    assert "Theirs\n" in run.stdout, run.stderr
    looked = evalkit_command("run", "--cfg", "job", "task=demo_clean", "model=theirs", env=environment)
    assert "title: Theirs" in looked.stdout, looked.stderr


@pytest.mark.slow
@pytest.mark.parametrize("position", ["before", "after", "glued"])
def test_every_command_takes_a_folder_of_configurations(
    tmp_path: Path, position: str, evalkit_command: CommandLine
) -> None:
    (tmp_path / "mine/task").mkdir(parents=True)
    (tmp_path / "mine/data_set").mkdir()
    text = (ROOT / "configs/task/demo_clean.yaml").read_text().replace("demo_clean", "mine", 1)
    (tmp_path / "mine/task/mine.yaml").write_text(text.replace("title: Demo clean", "title: My speech"))
    folder = ["--config-dir=mine"] if position == "glued" else ["--config-dir", "mine"]
    for words in (
        ["list", "tasks"],
        ["show", "task=mine"],
        ["data", "verify", "task=mine"],
        ["run", "task=mine", "model=echo"],
        ["run", "--cfg", "job", "task=mine", "model=echo"],
        ["run", "--multirun", "task=mine", "model=echo", "limit=1,2"],
    ):
        outcome = evalkit_command(*([*folder, *words] if position == "before" else [*words, *folder]))
        assert outcome.returncode == 0, outcome.stderr
        assert "My speech" in outcome.stdout


def test_a_file_that_is_hidden_by_one_of_ours_is_said(tmp_path: Path, evalkit_here: CommandLine) -> None:
    (tmp_path / "mine/model").mkdir(parents=True)
    (tmp_path / "mine/model/echo.yaml").write_text("title: Mine\n")
    (tmp_path / "mine/model/other.yaml").write_text("title: Other\n")
    outcome = evalkit_here("--config-dir", "mine", "list", "models")
    assert outcome.returncode == 0
    said = f"evalkit: {tmp_path}/mine/model/echo.yaml is not used: a configuration of this name is found before it"
    assert outcome.stderr.startswith(said)
    assert len(outcome.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_sweep_names_its_runs_by_what_it_varies(
    tmp_path: Path, demo: list[str], evalkit_command: CommandLine
) -> None:
    outcome = evalkit_command(*demo, "--multirun", "limit=1,2", "seed=3", "model.title='a/b',c")
    assert outcome.returncode == 0, outcome.stderr
    names = sorted(path.name for path in (tmp_path / "runs").iterdir() if path.is_dir())
    assert len(names) == 4
    assert names[1:4:2] == [
        "predictions-demo_clean-limit=1,model.title=c",
        "predictions-demo_clean-limit=2,model.title=c",
    ]


@pytest.mark.slow
def test_a_sweep_whose_samples_failed_exits_with_1(tmp_path: Path, evalkit_command: CommandLine) -> None:
    write_jsonl(tmp_path / "answers.jsonl", [{"id": "other", "text": "x"}])
    words = ["run", "task=demo_clean", "model=predictions", "model.path=answers.jsonl", "-m", "limit=1,2"]
    outcome = evalkit_command(*words)
    assert outcome.returncode == 1, outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.slow
def test_errors_of_hydras_forms_are_one_line_too(evalkit_command: CommandLine) -> None:
    for words in (["--multirun", "suite=dmo"], ["--cfg", "job", "limt=1"], ["--mutlirun"]):
        outcome = evalkit_command("run", "model=echo", *words)
        assert outcome.returncode == 2
        assert len(outcome.stderr.splitlines()) == 1, outcome.stderr
        assert "did you mean" in outcome.stderr


@pytest.mark.slow
def test_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    for words in (["list", "tasks"], ["--help"], ["list", "published"]):
        with open("/dev/full", "w") as full:
            outcome = subprocess.run([COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True)
        assert outcome.returncode == 2
        assert outcome.stderr.startswith("evalkit: cannot ")
        assert "No space left on device" in outcome.stderr
        assert len(outcome.stderr.splitlines()) == 1
    closed = subprocess.run(f"{COMMAND} list tasks >&-", shell=True, stderr=subprocess.PIPE, text=True)
    assert (closed.returncode, closed.stderr) == (0, "")
    piped = f"set -o pipefail; {COMMAND} list published | head -1"
    left = subprocess.run(["bash", "-c", piped], capture_output=True, text=True)
    assert left.returncode in (0, 141)
    assert left.stderr == ""


def test_an_error_that_nobody_foresaw_is_one_line_and_2(tmp_path: Path) -> None:
    code = (
        "import sys, evalkit.cli.doctor as d; from evalkit.cli.main import main\n"
        "def command(*_): raise ZeroDivisionError('oh \\x1b[31m')\n"
        "d.command = command; sys.exit(main(sys.argv[1:]))"
    )
    outcome = subprocess.run([sys.executable, "-c", code, "doctor"], capture_output=True, text=True)
    assert outcome.returncode == 2
    expected = "evalkit: unforeseen ZeroDivisionError: oh \\x1b[31m (--debug shows the traceback)\n"
    assert outcome.stderr == expected
    debug = subprocess.run([sys.executable, "-c", code, "doctor", "--debug"], capture_output=True, text=True)
    assert "Traceback" in debug.stderr


COMPLETIONS = (
    ("evalkit sh", ["show"]),
    ("evalkit list sui", ["suites"]),
    ("evalkit completion f", ["fish"]),
    ("evalkit run model=whisper_t", ["whisper_tiny_en"]),
    ("evalkit run suite=demo_", ["demo_asr"]),
    ("evalkit run task=[demo_clean,demo_te", ["[demo_clean,demo_telephone"]),
    ("evalkit run model@judge=wor", ["word_judge"]),
    ("evalkit run statistics.r", ["statistics.resamples="]),
    ("evalkit show spread=t", ["true"]),
)


@pytest.mark.parametrize(("line", "expected"), COMPLETIONS)
def test_bash_completes(line: str, expected: list[str], evalkit_command: CommandLine) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    # As Readline calls it: the word before the cursor is what stands after the last = or :.
    word = line.rpartition(" ")[2].rpartition("=")[2]
    script = f"""eval "$(evalkit completion bash)"; compopt() {{ :; }}
        COMP_LINE={line!r} COMP_POINT={len(line)}; _evalkit evalkit '{word}' ''; printf '%s\\n' "${{COMPREPLY[@]}}" """
    path = f"{COMMAND.parent}:{os.environ['PATH']}"
    outcome = subprocess.run([bash, "-c", script], capture_output=True, text=True, env={**os.environ, "PATH": path})
    assert outcome.stdout.split() == expected, outcome.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_of_another_shell_is_read_by_it(shell: str, evalkit_command: CommandLine, tmp_path: Path) -> None:
    script = evalkit_command("completion", shell).stdout
    assert "evalkit complete" in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(script)
    assert subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True).returncode == 0


def test_completion_knows_the_folders_that_the_line_names(tmp_path: Path) -> None:
    from evalkit.cli.complete import candidates

    (tmp_path / "model").mkdir()
    (tmp_path / "model/mine.yaml").write_text("speed: 1\n")
    assert candidates(f"evalkit run --config-dir {tmp_path} model=mi") == ["model=mine"]
    assert candidates(f"evalkit --config-dir={tmp_path} run model=mine model.s") == ["model.speed="]
    assert candidates("evalkit run model=mi") == []


def test_completion_knows_the_settings_of_a_chat() -> None:
    from evalkit.cli.complete import candidates

    assert candidates("evalkit chat model=echo ses") == ["sessions="]
    assert candidates("evalkit chat model=echo tools.s") == ["tools.searxng="]
    assert candidates("evalkit chat model=echo see") == ["seed="]
    assert candidates("evalkit chat write=") == ["write=true", "write=false"]
    assert candidates("evalkit run ses") == []


def test_completion_reads_half_a_line() -> None:
    from evalkit.cli.complete import candidates

    assert "run" in candidates("evalkit ")
    assert candidates("evalkit run 'model=whisper_t") == ["model=whisper_tiny_en"]


@pytest.mark.slow
def test_escape_sequences_of_a_configuration_do_not_reach_the_terminal(
    demo: list[str], evalkit_command: CommandLine
) -> None:
    outcome = evalkit_command(*demo, "model.title=a\x1b[31mb\u202ec", "tasks.demo_clean.title=t\x9b1m")
    assert outcome.returncode == 0, outcome.stderr
    reported = evalkit_command("report", "runs/predictions-demo_clean")
    for text in (outcome.stdout, outcome.stderr, reported.stdout, reported.stderr):
        assert not set("\x1b\x9b\u202e") & set(text)
    assert "a\\x1b[31mb\\u202ec" in outcome.stdout


@pytest.mark.slow
def test_no_file_of_a_sweep_holds_a_secret_setting(tmp_path: Path, evalkit_command: CommandLine) -> None:
    (tmp_path / "answers.jsonl").write_text('{"id": "x", "text": ""}\n')
    words = ["task=demo_clean", "limit=1,2", "hydra.output_subdir=.hydra", "+prompt_kinds.api_key=PLANTED-0123456789"]
    outcome = evalkit_command("run", "--multirun", "model=predictions", "model.path=answers.jsonl", *words)
    assert outcome.returncode in (0, 1), outcome.stderr
    assert len(list((tmp_path / "runs").glob("*/config.yaml"))) == 2
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and b"PLANTED" in path.read_bytes()]
    assert holding == []


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("task/odd.yaml", "5\n", ["show", "task=odd"]),
        ("task/odd.yaml", "5\n", ["run", "task=odd", "model=echo"]),
        ("task/odd.yaml", "5\n", ["data", "verify", "task=odd"]),
        ("suite/odd.yaml", "defaults: 5\n", ["run", "suite=odd", "model=echo"]),
        ("model/odd.yaml", "!!python/object/apply:os.system ['touch done']\n", ["run", "task=demo_clean", "model=odd"]),
        ("model/odd.yaml", "title: ${title}\n_target_: x\n", ["run", "task=demo_clean", "model=odd"]),
    ],
)
def test_a_configuration_of_ones_own_that_is_none_is_one_line(
    tmp_path: Path, file: str, content: str, words: list[str], evalkit_here: CommandLine
) -> None:
    path = tmp_path / "mine" / file
    path.parent.mkdir(parents=True)
    path.write_text(content)
    outcome = evalkit_here("--config-dir", "mine", *words)
    assert outcome.returncode == 2
    assert "unforeseen" not in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("module", ["../x", "", "sys;import os", "no_such_module"])
def test_what_is_no_module_cannot_be_allowed(tmp_path: Path, module: str, evalkit_here: CommandLine) -> None:
    outcome = evalkit_here("compare", "a", "b", "--allow", module)
    assert outcome.returncode == 2
    assert f"the module {module!r} cannot be loaded" in outcome.stderr
