"""The README's first afternoon, in order, as somebody spends it who has speech and a model and nothing else of ours.

The configurations and the adapter are those that the documentation prints: they are cut out of its pages.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import soundfile

import evalkit
from tests.conftest import DEMO_SPEECH, ROOT, CommandLine, write_jsonl
from tests.processes import wait_for_lines
from tests.servers.openai_server import OpenAIServer

pytestmark = pytest.mark.slow

RATE = 16_000
CONFIGS = ("--config-dir", "my_configs")
# The model leaves one word out of the 67 that are said.
FIGURE = "My set: WER 1.49 %"
# What all utterances of a layout share, of which one is too few for an interval.
SHARED = {"kaldi": "recording", "librispeech": "speaker"}
ROWS = [json.loads(line) for line in (DEMO_SPEECH / "manifest.jsonl").read_text(encoding="utf-8").splitlines()][:6]

Row = Mapping[str, Any]

# What the user's package has beside the class of CONTRIBUTING.md: a model that tells recordings by their length.
LOADING = """\
import json
from pathlib import Path


class Model:
    version = "1"

    def __init__(self, texts):
        self.texts = texts

    def transcribe(self, waves):
        return [min(self.texts, key=lambda pair: abs(pair[0] - len(wave)))[1] for wave in waves]


def load_my_model(path):
    return Model(json.loads(Path(path).read_text()))


"""


def block(page: str, holding: str) -> str:
    """The block of code of a page of the documentation that holds a text."""
    blocks = re.findall(r"```\w+\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    (found,) = (each for each in blocks if holding in each)
    return str(found)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's folder: a package, configurations, a checkpoint, and answers that were made elsewhere."""
    folder = tmp_path_factory.mktemp("afternoon")
    for group in ("model", "task"):
        (folder / "my_configs" / group).mkdir(parents=True)
    (folder / "my_configs/model/my_recogniser.yaml").write_text(block("CONTRIBUTING.md", "_target_: my_package.My"))
    (folder / "my_configs/task/my_set.yaml").write_text(block("docs/extending.md", "@package tasks.my_set"))
    (folder / "my_package").mkdir()
    (folder / "my_package/__init__.py").write_text(LOADING + block("CONTRIBUTING.md", "class MyRecogniser"))
    texts = [(soundfile.info(DEMO_SPEECH / row["audio"]).frames, row["text"]) for row in ROWS]
    texts[3] = texts[3][0], texts[3][1].replace("cat ", "")
    (folder / "checkpoint.json").write_text(json.dumps(texts))
    write_jsonl(folder / "answers.jsonl", [{"id": row["id"], "text": row["text"]} for row in ROWS])
    worse = [{"id": row["id"], "text": " ".join(row["text"].split()[::2])} for row in ROWS]
    write_jsonl(folder / "worse.jsonl", worse)
    renamed = [{"id": row["id"] if n < 3 else f"utt{n}", "text": row["text"]} for n, row in enumerate(ROWS)]
    write_jsonl(folder / "renamed.jsonl", renamed)
    for name, make in LAYOUTS.items():
        (folder / name).mkdir()
        make(folder / name)
    (folder / "references.trn").write_text("".join(f"{row['text']} ({row['id']})\n" for row in ROWS))
    return folder


@pytest.fixture
def typed(desk: Path, evalkit_command: CommandLine) -> CommandLine:
    """The command line in the user's folder, where Python finds the package too."""

    def run(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        outcome = evalkit_command(*words, cwd=desk, env={"PYTHONPATH": str(ROOT), **options.pop("env", {})}, **options)
        assert "Traceback" not in outcome.stderr or "--debug" in words, outcome.stderr
        return outcome

    return run


def copy(row: Row, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(DEMO_SPEECH / row["audio"], target)
    return target.name


def manifest(folder: Path) -> None:
    names = [copy(row, folder / "audio" / f"{row['id']}.flac") for row in ROWS]
    rows = [
        {"id": row["id"], "audio": f"audio/{name}", "text": row["text"], "language": "en"}
        for row, name in zip(ROWS, names, strict=True)
    ]
    write_jsonl(folder / "manifest.jsonl", rows)


def table(folder: Path) -> None:
    names = [copy(row, folder / f"{row['id']}.flac") for row in ROWS]
    lines = [f"{row['id']}\t{name}\t{row['text']}\n" for row, name in zip(ROWS, names, strict=True)]
    (folder / "manifest.tsv").write_text("id\taudio\ttext\n" + "".join(lines))


def kaldi(folder: Path) -> None:
    waves = [soundfile.read(DEMO_SPEECH / row["audio"])[0] for row in ROWS]
    soundfile.write(folder / "session.wav", np.concatenate(waves), RATE)
    ends = np.cumsum([len(wave) for wave in waves]) / RATE
    begins = [0.0, *ends[:-1]]
    (folder / "wav.scp").write_text("session session.wav\n")
    spans = zip(ROWS, begins, ends, strict=True)
    (folder / "segments").write_text("".join(f"{row['id']} session {a:.4f} {b:.4f}\n" for row, a, b in spans))
    (folder / "text").write_text("".join(f"{row['id']} {row['text']}\n" for row in ROWS))


def librispeech(folder: Path) -> None:
    chapter = folder / "61" / "70968"
    lines = []
    for number, row in enumerate(ROWS):
        name = copy(row, chapter / f"61-70968-{number:04}.flac")
        lines.append(f"{name.removesuffix('.flac')} {row['text'].upper()}\n")
    (chapter / "61-70968.trans.txt").write_text("".join(lines))


def nemo(folder: Path) -> None:
    rows = [
        {"audio_filepath": copy(row, folder / f"{row['id']}.flac"), "duration": row["duration"], "text": row["text"]}
        for row in ROWS
    ]
    write_jsonl(folder / "manifest.json", rows)


def hub_folder(folder: Path) -> None:
    lines = [f'{copy(row, folder / "data" / row["id"])},"{row["text"]}"\n' for row in ROWS]
    for row in ROWS:
        (folder / "data" / row["id"]).rename(folder / f"{row['id']}.flac")
    lines = [line.replace(",", ".flac,", 1) for line in lines]
    (folder / "metadata.csv").write_text("file_name,transcription\n" + "".join(lines))


def parquet(folder: Path) -> None:
    audio = [{"bytes": (DEMO_SPEECH / row["audio"]).read_bytes(), "path": f"{row['id']}.flac"} for row in ROWS]
    columns = {"id": [row["id"] for row in ROWS], "audio": audio, "text": [row["text"] for row in ROWS]}
    pyarrow.parquet.write_table(pa.table(columns), folder / "test-00000-of-00001.parquet")


LAYOUTS: Mapping[str, Callable[[Path], None]] = {
    "manifest": manifest,
    "table": table,
    "kaldi": kaldi,
    "librispeech": librispeech,
    "nemo": nemo,
    "hub_folder": hub_folder,
    "parquet": parquet,
}


def words(data: str, *more: str) -> Sequence[str]:
    """A run over the user's own speech."""
    return ("run", *CONFIGS, "task=my_set", f"tasks.my_set.dataset.path={data}", "statistics.resamples=500", *more)


def own_model(data: str, *more: str) -> Sequence[str]:
    return words(data, "model=my_recogniser", "model.path=checkpoint.json", *more)


def predictions(answers: str, *more: str, data: str = "manifest") -> Sequence[str]:
    return words(data, "model=predictions", f"model.path={answers}", *more)


def stopped(outcome: subprocess.CompletedProcess[str]) -> str:
    """What a command that stopped says: one line."""
    assert outcome.returncode == 2, outcome.stderr
    (line,) = (line for line in outcome.stderr.splitlines() if line.startswith("evalkit: "))
    return line


def test_what_is_there_is_listed_with_ones_own(typed: CommandLine) -> None:
    models = typed("list", "models", *CONFIGS).stdout
    assert re.search(r"^my_recogniser .* What `evalkit list models` says about it$", models, re.MULTILINE)
    assert re.search(r"^my_set +My set +en +1,234", typed("list", "tasks", *CONFIGS).stdout, re.MULTILINE)
    doctor = typed("doctor", *CONFIGS).stdout
    assert re.search(r"^my_recogniser +yes, give model.path=$", doctor, re.MULTILINE)
    assert re.search(r"^my_set +no: nothing at data/my_set \(open: where it comes from\)$", doctor, re.MULTILINE)
    assert "${" not in doctor


def test_the_request_is_shown_before_anything_runs(typed: CommandLine, desk: Path) -> None:
    outcome = typed("show", *own_model("manifest")[1:])
    assert outcome.returncode == 0, outcome.stderr
    assert "request to My recogniser, sample clean-slt-01" in outcome.stdout
    assert '"audio": "audio/clean-slt-01.flac"' in outcome.stdout
    assert "wer: metric:WER|unit:word|normaliser:whisper-en.v1|averaging:corpus" in outcome.stdout
    assert not (desk / "runs").exists()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ones_own_speech_is_read_as_it_lies_there(typed: CommandLine, layout: str) -> None:
    outcome = typed(*own_model(layout, f"name={layout}"))
    assert outcome.returncode == 0, outcome.stderr
    if layout in SHARED:
        remark = f"partial: 6 of 1,234 samples; 1 {SHARED[layout]} is too few for an interval"
        assert f"{FIGURE} ({remark})" in outcome.stdout
        assert f"resampled:{SHARED[layout]}|clusters:1" in outcome.stdout
    else:
        assert re.search(rf"{FIGURE} \[0.00, \d\.\d\d\] \(partial: 6 of 1,234 samples\)$", outcome.stdout, re.MULTILINE)
    assert f"Run folder: runs/{layout}\nTables and chart: evalkit report runs/{layout}\n" in outcome.stdout
    assert re.search(r"^My set: 6 calls, 0 failed; \d+ s since the start$", outcome.stderr, re.MULTILINE)


def test_what_is_no_data_set_is_refused_with_what_to_do(typed: CommandLine, desk: Path) -> None:
    (desk / "unnamed").mkdir()
    shutil.copy(desk / "table" / "manifest.tsv", desk / "unnamed" / "june.tsv")
    line = stopped(typed(*own_model("unnamed", "name=unnamed")))
    assert "task my_set: unnamed: not recognised as a data set" in line
    assert "name the table itself, such as unnamed/june.tsv" in line
    assert not (desk / "runs" / "unnamed").exists()


def test_the_data_set_is_verified(typed: CommandLine) -> None:
    outcome = typed("data", "verify", *CONFIGS, "task=my_set", "tasks.my_set.dataset.path=kaldi")
    assert outcome.returncode == 1, "six samples are not the 1,234 that the configuration says"
    assert re.search(r"recordings +6 of 6 readable, by their headers +all +ok", outcome.stdout)
    assert "my_set: partial, 6 of 1,234 samples; differs from what is known: samples" in outcome.stdout


def test_a_model_of_ones_own_that_fails_says_why(typed: CommandLine, desk: Path) -> None:
    assert "model.path must be given: model.path=VALUE" in stopped(typed(*words("manifest", "model=my_recogniser")))
    (desk / "my_package").rename(desk / "not_found")
    elsewhere = typed(*own_model("manifest", "name=nowhere"))
    (desk / "not_found").rename(desk / "my_package")
    reason = "cannot load the adapter 'my_package.MyRecogniser' (No module named 'my_package')"
    assert f"model: {reason}; install my_package, or put the folder that holds it into PYTHONPATH" in stopped(elsewhere)
    assert elsewhere.stderr.count("\n") == 1
    line = stopped(typed(*own_model("manifest", "model.path=checkpiont.json", "name=nowhere")))
    assert "my_package.MyRecogniser cannot be made: FileNotFoundError" in line
    assert "checkpiont.json" in line

    (desk / "broken.json").write_text(json.dumps([["many", "words"]]))
    failing = own_model("manifest", "model.path=broken.json", "name=broken")
    outcome = typed(*failing)
    assert outcome.returncode == 1
    assert "6 failed (error), such as clean-slt-01: TypeError: unsupported operand" in outcome.stdout
    assert "evalkit: 6 samples failed and count as wrong; runs/broken/*/scores.parquet says why" in outcome.stderr
    debugged = typed(*failing, "--debug")
    assert debugged.returncode == 1
    assert 'my_package/__init__.py", line ' in debugged.stderr, "the traceback shows the line of the adapter"


def test_answers_made_elsewhere_are_scored(typed: CommandLine) -> None:
    outcome = typed(*predictions("answers.jsonl", "model.title='My checkpoint'"))
    assert outcome.returncode == 0, outcome.stderr
    assert "My checkpoint\n  My set: WER 0.00 % [0.00, 45.93]" in outcome.stdout
    without_sound = typed(*predictions("answers.jsonl", "name=no-sound", data="references.trn"))
    assert without_sound.returncode == 0, without_sound.stderr
    assert "WER 0.00 %" in without_sound.stdout

    renamed = typed(*predictions("renamed.jsonl", "name=renamed"))
    assert renamed.returncode == 1
    assert "renamed.jsonl: 3 of its 6 ids are of no sample asked: utt3, utt4, utt5" in renamed.stderr
    assert "3 failed (refused), such as clean-slt-04: no prediction for clean-slt-04 in renamed.jsonl" in renamed.stdout
    line = stopped(typed(*predictions("answres.jsonl", "name=nothing")))
    assert line == "evalkit: answres.jsonl: no such file of predictions"


def test_a_comparison_decides_in_a_gate(typed: CommandLine, desk: Path) -> None:
    for name in ("answers", "worse"):
        assert typed(*predictions(f"{name}.jsonl", f"name={name}")).returncode == 0
    worse = typed("compare", "runs/answers", "runs/worse", "--markdown", "gate.md", "--json", "gate.json")
    assert worse.returncode == 1
    assert "| My set | WER (%) | 0.00 | 47.76 | +47.76 [" in worse.stdout
    assert "| **worse** |" in worse.stdout
    assert (desk / "gate.md").read_text() == worse.stdout
    assert json.loads((desk / "gate.json").read_text())["regressed"] is True
    better = typed("compare", "runs/worse", "runs/answers")
    assert (better.returncode, better.stderr) == (0, "")

    assert typed("run", "task=demo_noise", "model=echo", "name=echo", "limit=1").returncode == 0
    nothing = typed("compare", "runs/answers", "runs/echo")
    assert stopped(nothing) == "evalkit: nothing of echo could be compared; the lines above say why"
    assert "Not compared, as only the base run has it: My set." in nothing.stdout
    assert "| Task |" not in nothing.stdout

    unwritable = typed("compare", "runs/answers", "runs/worse", "--json", "no/such/folder.json")
    assert stopped(unwritable) == "evalkit: no/such/folder.json: cannot be written (No such file or directory)"
    assert unwritable.stdout == "", "found out before the work, not after it"
    assert "runs/mine" in stopped(typed("compare", "runs/answers", "runs/mine"))


def test_the_report_and_the_list_of_runs(typed: CommandLine, desk: Path) -> None:
    for name in ("answers", "worse"):
        assert typed(*predictions(f"{name}.jsonl", f"name={name}", f"model.title={name}")).returncode == 0
    outcome = typed("report", "runs/answers", "runs/worse", "my_package", "--rows", "measured", "--output", "tables")
    assert outcome.returncode == 0, outcome.stderr
    assert "| **WER** | My set" in outcome.stdout
    assert outcome.stderr == "left out: my_package: not a run folder, it has no metrics.json\n"
    assert "files written to tables; open tables/index.html" in outcome.stdout
    assert "My set" in (desk / "tables" / "index.html").read_text()
    refused = typed("report", "runs/answers", "--output", "answers.jsonl/tables")
    assert stopped(refused) == "evalkit: answers.jsonl/tables: cannot be written (Not a directory)"

    listed = typed("list", "runs").stdout
    assert re.search(r"^worse +worse +finished +1 +6 +0 +\d{4}-\d\d-\d\d", listed, re.MULTILINE)
    assert "holds answers of another model" in stopped(typed(*predictions("answers.jsonl", "name=worse")))
    assert re.search(
        r"^worse +worse +finished before; last session stopped +1", typed("list", "runs").stdout, re.MULTILINE
    )
    assert stopped(typed("list", "runs", "rnus")) == "evalkit: rnus: no such folder; name the one that holds your runs"

    again = typed("score", "runs/worse", "schemes=[whisper,raw]")
    assert again.returncode == 0, again.stderr
    assert "normaliser:raw-en.v1" in again.stdout


def test_a_run_is_interrupted_and_continued(typed: CommandLine, desk: Path) -> None:
    pytest.importorskip("pocketsphinx")
    # One recording at a time, and enough of them that an interrupt at the first answer finds some unanswered.
    arguments = [
        "run",
        "task=demo_clean",
        "model=pocketsphinx",
        "name=interrupted",
        "limit=12",
        "executor.batch_size=1",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "evalkit.cli", *arguments],
        cwd=desk,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    answers = desk / "runs/interrupted/demo_clean/model.jsonl"
    wait_for_lines(process, answers, 1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "finishing the batch; press again to stop" in stderr
    assert "evalkit: interrupted; what was answered is kept, the same command continues" in stderr
    kept = answers.read_bytes().count(b"\n")
    assert 0 < kept < 12
    unfinished = "runs/interrupted: the run has no results yet; the command that began it continues it"
    for command in (["score"], ["report"], ["compare", "runs/interrupted"]):
        assert unfinished in stopped(typed(*command, "runs/interrupted"))
    assert re.search(r"^interrupted .*not finished", typed("list", "runs").stdout, re.MULTILINE)

    outcome = typed(*arguments)
    assert outcome.returncode == 0, outcome.stderr
    assert re.search(
        rf"{kept} answers? of the session of \S+.* (is|are) kept \(fresh=true asks again\)", outcome.stderr
    )
    assert f"{kept} of 12 samples needed no asking" in outcome.stderr
    assert answers.read_bytes().count(b"\n") == 12, "no sample was asked twice"


def test_a_served_model_with_a_wrong_key_stops_at_once(typed: CommandLine, desk: Path) -> None:
    served = words("manifest", "model=openai_transcription", "model.model=listener", "name=served")
    with OpenAIServer(key="sk-right-000000000000") as server:
        served = (*served, f"model.base_url={server.base_url}", "model.api_key_variable=MY_KEY")
        line = stopped(typed(*served))
        assert line.startswith(
            "evalkit: no API key: set the environment variable MY_KEY, or name another by the model's"
        )
        refused = typed(*served, env={"MY_KEY": "sk-wrong-123456789012"})
        line = stopped(refused)
        assert "401" in line
        assert "MY_KEY" in line or "key" in line
        assert "sk-wrong-123456789012" not in refused.stdout + refused.stderr
        right = typed(*served, env={"MY_KEY": "sk-right-000000000000"})
    assert right.returncode == 0, right.stderr
    assert re.search(r"My set: 6 calls, 0 failed", right.stderr)
    written = [path for path in (desk / "runs/served").rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if b"sk-right-0" in path.read_bytes() or b"sk-wrong-1" in path.read_bytes()]


def test_the_same_from_python(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(desk)
    monkeypatch.syspath_prepend(str(desk))
    results = [
        evalkit.evaluate(
            model,
            task="my_set",
            overrides=[f"model.path={path}", "tasks.my_set.dataset.path=manifest", f"name=python-{model}"],
            config_dirs=["my_configs"],
        )
        for model, path in (("my_recogniser", "checkpoint.json"), ("predictions", "worse.jsonl"))
    ]
    assert "My set: 6 calls, 0 failed" in capsys.readouterr().err
    own = results[0].tasks["my_set"].metrics["wer"]
    assert own.value == pytest.approx(100 / 67, abs=0.01)
    assert own.interval is not None
    again = evalkit.read_run("runs/python-my_recogniser")
    assert again.tasks["my_set"].metrics["wer"].value == own.value
    comparison = evalkit.compare_runs("runs/python-my_recogniser", "runs/python-predictions")
    assert comparison.regressed
    rate = evalkit.error_rate([row["text"] for row in ROWS], [row["text"] for row in ROWS], "en")
    assert (rate.value, rate.reference_length) == (0.0, 67)
    with pytest.raises(evalkit.errors.EvalkitError, match="there is no task 'my_sett', did you mean 'my_set'"):
        evalkit.evaluate("predictions", task="my_sett", config_dirs=["my_configs"])
