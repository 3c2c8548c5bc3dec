"""MMAU: the official rule against the outputs of the official script, and the task around it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import soundfile
from omegaconf import OmegaConf

from evalkit.audio import Audio
from evalkit.datasets import HubDataset, Manifest, open_dataset
from evalkit.errors import ConfigurationError, DataError
from evalkit.metrics.metric import render_recipe
from evalkit.prompts import Prompts
from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import plan_from_config, tasks_from_config
from evalkit.types import Response, Sample
from tasks.mmau import Mmau, extract_response, matches, strip_option_letters
from tests.chains import next_call, score_of
from tests.conftest import ROOT, write_jsonl

GOLDEN = json.loads((ROOT / "tests" / "golden_scores" / "golden_mmau.json").read_text(encoding="utf-8"))
REPORT = GOLDEN["aggregate"]

# As in mmau-test-mini.json: duplicated choices, two choices, and a category that is a list.
ITEMS: list[dict[str, Any]] = [
    {"question": "Who speaks?", "choices": ["Man", "Woman", "Child", "Robot"], "answer": "Man", "task": "sound"},
    {"question": "Is it a dog?", "choices": ["Yes", "No"], "answer": "No", "task": "sound", "difficulty": "hard"},
    {"question": "What comes first?", "choices": ["Bell", "Dog", "Dog", "Car"], "answer": "Dog", "task": "speech"},
    {"question": "Which metre?", "choices": ["4/4", "3/4", "6/8", "5/4"], "answer": "3/4", "task": "music"},
]


def replica(folder: Path, items: Sequence[Mapping[str, Any]] = tuple(ITEMS)) -> Path:
    """A file laid out like mmau-test-mini.json."""
    usual = {"category": "Reasoning", "sub-category": "Acoustic Source Inference", "difficulty": "easy"}
    records = []
    for number, item in enumerate(items):
        audio = f"./test-mini-audios/item-{number}.wav"
        records.append({"id": f"item-{number}", "audio_id": audio, **usual, **item, "split": "test-mini"})
    records[2]["category"] = ["Reasoning"]
    path = folder / "mmau-test-mini.json"
    path.write_text(json.dumps(records, indent=2), encoding="utf-8")
    return path


def run(folder: Path, data: Path, answers: Mapping[str, str], *overrides: str, task: str = "mmau_test_mini") -> Any:
    """Score answers in a real run, and return the task's entry of its metrics and the rows of its scores."""
    predictions = write_jsonl(folder / "answers.jsonl", [{"id": key, "text": text} for key, text in answers.items()])
    words = [f"task={task}", f"tasks.{task}.dataset.path={data}", "model=predictions", f"model.path={predictions}"]
    config = compose_configuration([*words, f"runs={folder}", "name=run", *overrides])
    metrics = evaluate(plan_from_config(config, {"model": "predictions", "task": task})).results.to_json()
    rows = pyarrow.parquet.read_table(folder / "run" / task / "scores.parquet").to_pylist()
    return metrics["tasks"][task], rows


def mmau(tmp_path: Path, **options: Any) -> Mmau:
    return Mmau(name="mmau", title="MMAU", dataset=Manifest(tmp_path / "none.json"), **options)


def question(answer: str, choices: Sequence[str], **groups: str) -> Sample:
    metadata = {"question": "What is it?", "choices": list(choices)}
    return Sample("s", (Audio("s.wav"),), (answer,), groups=groups, metadata=metadata)


# The official rule


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["id"])
def test_the_rule_decides_as_the_official_script(case: dict[str, Any]) -> None:
    assert matches(case["prediction"], case["answer"], case["choices"]) is case["expected"]


def test_the_golden_cases_are_all_there() -> None:
    assert len(GOLDEN["cases"]) == 115
    assert sum(matches(c["prediction"], c["answer"], c["choices"]) for c in GOLDEN["cases"]) == GOLDEN["n_pass"]


def test_the_official_report_is_reproduced_line_by_line(tmp_path: Path) -> None:
    """Of the samples that the script counts, which are those with an answer."""
    task = mmau(tmp_path, extraction="none")
    right: Counter[tuple[str, str]] = Counter()
    asked: Counter[tuple[str, str]] = Counter()
    for row in REPORT["samples"]:
        if "model_output" in row:
            score = score_of(task, question(row["answer"], row["choices"]), (Response(row["model_output"]),))
            for name in ("task", "difficulty", "sub-category", "total"):
                if name in row or name == "total":
                    key = (name, row.get(name, ""))
                    asked[key] += 1
                    right[key] += int(score.statistics["accuracy"][0])
    lines = {
        f"{value} : {100 * right[name, value] / count:.2f}% over {count} samples"
        for (name, value), count in asked.items()
        if name != "total"
    }
    total = f"Total Accuracy: {100 * right['total', ''] / asked['total', '']:.2f}% over {asked['total', '']} samples"
    assert lines | {total} == {line for line in REPORT["stdout"] if " over " in line}


def test_a_missing_answer_is_wrong_where_the_official_script_leaves_it_out(tmp_path: Path) -> None:
    samples = REPORT["samples"]
    items = [{key: row[key] for key in ("answer", "choices", "task", "difficulty")} for row in samples]
    data = replica(tmp_path, [{"question": "?", **item} for item in items])
    answers = {f"item-{i}": row["model_output"] for i, row in enumerate(samples) if "model_output" in row}
    metrics, rows = run(tmp_path, data, answers)
    assert metrics["metrics"]["accuracy"]["statistics"] == {"correct": 62, "samples": 115}  # 59.05 % of 105 is 62
    assert metrics["samples"]["failed"] == 10
    assert metrics["metrics"]["accuracy"]["value"] == pytest.approx(6200 / 115)
    assert {row["accuracy.correct"] for row in rows if row["status"] == "failed"} == {0.0}


# What other harnesses do differently


@pytest.mark.parametrize(
    ("prediction", "answer", "choices", "right"),
    [
        ("B", "Woman", ("Man", "Woman"), False),
        ("not a dog", "a dog", ("a dog", "a cat"), True),
        ("2", "two", ("one", "two"), False),
        ("It is a dog, not a cat", "a dog", ("a dog", "a cat"), False),
        ("The sound is of A man speaking", "A child", ("A man", "A child"), False),
        ("dog", "dog", ("cat", "dog"), True),
        ("D", "Yes", ("Yes", "No"), False),
    ],
)
def test_the_text_of_the_choice_decides_and_never_its_letter(
    prediction: str, answer: str, choices: tuple[str, ...], right: bool
) -> None:
    assert matches(prediction, answer, choices) is right


def test_what_cannot_be_read_is_wrong_and_stays_so(tmp_path: Path) -> None:
    """No guess at random, which would add points and change from run to run."""
    task = mmau(tmp_path)
    sample = question("dog", ["cat", "dog", "cow", "pig"])
    for text in ("", "   ", "I cannot hear the audio.", "?!", "E", "猫", "<RESPONSE></RESPONSE>"):
        assert {tuple(score_of(task, sample, (Response(text),)).statistics["accuracy"]) for _ in range(20)} == {
            (0.0, 1.0)
        }
    assert score_of(task, sample, ()).statistics["accuracy"] == (0.0, 1.0)


# Extraction and option letters


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<RESPONSE>Man</RESPONSE>", "Man"),
        ("Not the woman.\n<RESPONSE>\n Man \n</RESPONSE> That is it.", "Man"),
        ("<response>Man</response>", "Man"),
        ("<RESPONSE>Woman</RESPONSE> No: <RESPONSE>Man</RESPONSE>", "Man"),
        ("<RESPONSE>Man</RESPONSE> as asked, in <RESPONSE> </RESPONSE>", "Man"),
        ("<RESPONSE>Man, cut short", "Man, cut short"),
        ("<RESPONSE></RESPONSE>", ""),
        (" The answer is Man.", " The answer is Man."),
    ],
)
def test_the_final_answer_stands_in_the_tag(text: str, answer: str) -> None:
    assert extract_response(text) == answer


def test_extraction_is_an_option_that_the_recipe_names(tmp_path: Path) -> None:
    sample = question("Man", ["Man", "Woman"])
    reply = (Response("It is no woman. <RESPONSE>Man</RESPONSE>"),)
    tagged, whole = mmau(tmp_path), mmau(tmp_path, extraction="none")
    assert score_of(tagged, sample, reply).statistics["accuracy"] == (1.0, 1.0)
    assert score_of(tagged, sample, reply).details == {"extracted_answer": "Man"}
    assert score_of(whole, sample, reply).statistics["accuracy"] == (0.0, 1.0)
    assert tagged.metrics["accuracy"].recipe["extraction"] == "response_tag"
    assert whole.metrics["accuracy"].recipe["extraction"] == "none"


@pytest.mark.parametrize("prediction", ["(A) man", "A. man", "a) man", "A: man", "[A] man", "**(A)** man", " (A) man"])
def test_a_letter_before_the_answer_can_be_stripped(prediction: str) -> None:
    assert strip_option_letters(prediction, "man", ("man", "woman"))[0] == "man"


@pytest.mark.parametrize(
    "prediction", ["A", "(A)", "A man", "A.M. news", "(C) man", "Answer: man", "4. man", "an a: b"]
)
def test_what_is_no_option_s_letter_stays(prediction: str) -> None:
    assert strip_option_letters(prediction, "man", ("man", "woman")) == (prediction, "man", ("man", "woman"))


def test_stripping_is_off_by_default_and_named_in_the_recipe(tmp_path: Path) -> None:
    sample = question("The rain", ["A dog", "The rain"])
    official, stripped = mmau(tmp_path), mmau(tmp_path, option_letters="stripped")
    reply = (Response("<RESPONSE>(B) The rain</RESPONSE>"),)
    article = question("One dog", ["One dog", "A cat"])
    lettered = (Response("(A) One dog"),)
    assert score_of(official, sample, reply).statistics["accuracy"] == (1.0, 1.0)
    assert score_of(official, article, lettered).statistics["accuracy"] == (0.0, 1.0)  # "a" is a word of another choice
    assert score_of(stripped, article, lettered).statistics["accuracy"] == (1.0, 1.0)
    assert score_of(stripped, article, lettered).details == {"extracted_answer": "One dog"}
    assert score_of(stripped, article, (Response("A"),)).statistics["accuracy"] == (0.0, 1.0)
    assert official.metrics["accuracy"].recipe["option_letters"] == "kept"
    assert stripped.metrics["accuracy"].recipe["option_letters"] == "stripped"


def test_choices_that_carry_letters_lose_them_too() -> None:
    """The hub's gamma-lab-umd/MMAU-test-mini writes letters into choices and answers."""
    choices = ("(A) Man", "(B) Woman")
    assert not matches("Man", "(A) Man", choices)
    assert matches(*strip_option_letters("Man", "(A) Man", choices))
    assert matches(*strip_option_letters("(A) Man", "(A) Man", choices))
    assert not matches(*strip_option_letters("(B) Woman", "(A) Man", choices))
    keys = ("C: major", "D: major")
    assert strip_option_letters("C: major", "D: major", keys) == ("C: major", "D: major", keys)


# The task


def test_step_audio_2_is_asked_as_its_authors_ask_it(tmp_path: Path) -> None:
    profile: Any = OmegaConf.to_container(OmegaConf.load(ROOT / "configs" / "prompts" / "step_audio_2.yaml"))
    task = mmau(tmp_path, prompts=Prompts({"model": profile}))
    call = next_call(task, question("5", ["3", "{question}"]), ())
    assert call is not None
    system, user = call.request.messages
    assert system.content == (
        "You are an expert in audio analysis, please analyze the audio content and answer the questions accurately.",
    )
    assert isinstance(user.content[0], Audio)
    assert user.content[1:] == (
        "What is it? Please choose the answer from the following options: [3, {question}] "
        "Output the final answer in <RESPONSE> </RESPONSE>.",
    )
    assert call.request.generation == {"max_new_tokens": 256, "num_beams": 2, "do_sample": False}
    assert next_call(task, question("5", ["3", "5"]), (Response("5"),)) is None


def test_a_profile_without_the_question_is_refused_and_one_without_an_entry_gets_the_plain_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"mmau\.user: \{choices\} must stand in it"):
        mmau(tmp_path, prompts=Prompts({"model": {"mmau": {"user": "{audio}{question}"}}}))
    call = next_call(mmau(tmp_path, prompts=Prompts({"model": {"asr": {}}})), question("5", ["3", "5"]), ())
    assert call is not None
    assert "What is it? Please choose" in str(call.request.messages[0].content[1])


@pytest.mark.parametrize("choices", [["a dog", "a cat"], ["(A) a dog", "(B) a cat"]])
def test_a_profile_may_ask_for_a_line_with_a_letter_for_each_choice(tmp_path: Path, choices: list[str]) -> None:
    profile = OmegaConf.to_container(OmegaConf.load(ROOT / "configs" / "prompts" / "audio_flamingo_3.yaml"))
    call = next_call(mmau(tmp_path, prompts=Prompts({"model": profile})), question(choices[0], choices), ())  # type: ignore[dict-item]
    assert call is not None
    words, sound = call.request.messages[0].content
    assert isinstance(sound, Audio)
    assert words == "What is it?\nChoose the correct option from the following options:\n(A) a dog\n(B) a cat"


@pytest.mark.parametrize("option", [{"extraction": "tag"}, {"option_letters": True}])
def test_an_unknown_option_is_refused(tmp_path: Path, option: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="it must be"):
        mmau(tmp_path, **option)


def test_a_run_over_the_published_layout_has_figures_for_every_group(tmp_path: Path) -> None:
    answers = {"item-0": "<RESPONSE>man</RESPONSE>", "item-1": "Yes", "item-2": "the dog", "item-3": "3/4"}
    metrics, rows = run(tmp_path, replica(tmp_path), answers)
    accuracy = metrics["metrics"]["accuracy"]
    assert (accuracy["name"], accuracy["value"], accuracy["unit"]) == ("Accuracy", 75, "%")
    assert render_recipe(accuracy["recipe"]).startswith(
        "metric:Accuracy|averaging:micro|rule:mmau_string_match.v1|extraction:response_tag|option_letters:kept"
    )
    parts = {name: part["metrics"]["accuracy"]["value"] for name, part in metrics["groups"]["task"].items()}
    assert parts == {"music": 100, "sound": 50, "speech": 100}
    assert metrics["groups"]["difficulty"]["hard"]["metrics"]["accuracy"]["value"] == 0.0
    assert metrics["place"] == {"table": "mmau", "group": "MMAU v05.15.25 test-mini", "benchmark": "MMAU"}
    assert metrics["partial"] is True
    assert [row["extracted_answer"] for row in rows] == ["man", "Yes", "the dog", "3/4"]
    groups = [json.loads(row["groups"]) for row in rows]
    assert {labels["category"] for labels in groups} == {"Reasoning"}
    assert groups[1]["sub-category"] == "Acoustic Source Inference"


def test_no_kind_of_question_is_left_out(tmp_path: Path) -> None:
    """A subset that nobody thought of is asked and counted like any other."""
    items = [*ITEMS, {**ITEMS[0], "task": "sentiment"}]
    metrics, _ = run(tmp_path, replica(tmp_path, items), {"item-4": "Man"}, "max_failures=null")
    assert metrics["samples"]["total"] == 5
    assert metrics["groups"]["task"]["sentiment"]["metrics"]["accuracy"]["value"] == 100


def test_where_answers_are_not_public_the_figure_is_blank_and_says_why(tmp_path: Path) -> None:
    items = [{key: value for key, value in item.items() if key != "answer"} for item in ITEMS]
    data = replica(tmp_path, items)
    metrics, rows = run(tmp_path, data, {f"item-{i}": "Man" for i in range(4)}, task="mmau_test")
    assert metrics["metrics"]["accuracy"]["value"] is None
    assert metrics["metrics"]["accuracy"]["interval"] is None
    assert metrics["samples"]["failed"] == 4
    assert {row["reason"] for row in rows} == {"the data set does not say what the right answer is"}
    assert [[each["text"] for each in row["responses"]] for row in rows] == [["Man"]] * 4


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"choices": "['Man', 'Woman']"}, "sample item-0: the choices are \"['Man', 'Woman']\", not a list of texts"),
        ({"choices": []}, "sample item-0: the choices are [], not a list of texts"),
        ({"choices": [3, None]}, "sample item-0: the choices are [3, None], not a list of texts"),
        ({"question": None}, "sample item-0: the question is None, not a text"),
    ],
)
def test_a_row_that_cannot_be_asked_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    data = replica(tmp_path, [{**ITEMS[0], **change}, *ITEMS[1:]])
    with pytest.raises(DataError) as caught:
        run(tmp_path, data, {})
    assert complaint in str(caught.value)


def test_the_hub_s_copy_reads_through_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="the hub extra is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    usual = {
        "category": "Reasoning",
        "sub_category": "events",
        "difficulty": "easy",
        "audio": {"bytes": b"R", "path": ""},
    }
    rows = [{"id": f"i{number}", **usual, **item} for number, item in enumerate(ITEMS)]
    (tmp_path / "hub").mkdir()
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "hub" / "v05.15.25-00000.parquet")
    config = compose_configuration(["task=mmau_test_mini", "model=predictions", "model.path=none"])
    hub: Any = OmegaConf.to_container(config.tasks.mmau_test_mini.dataset.hub)
    hub["repository"], hub["split"] = str(tmp_path / "hub"), "train"
    sample, *_ = HubDataset(**hub)
    assert (sample.references, sample.metadata["choices"]) == (("Man",), ["Man", "Woman", "Child", "Robot"])
    assert sample.groups["sub-category"] == "events"


def test_the_official_record_is_asked_and_scored_with_its_real_recording(shared_data: Path, tmp_path: Path) -> None:
    lines = (shared_data / "audio_qa" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    (record,) = (row for row in map(json.loads, lines) if row["benchmark"] == "MMAU test-mini")
    waveform, rate = soundfile.read(shared_data / "audio_qa" / record["audio"])
    (tmp_path / "test-mini-audios").mkdir()
    soundfile.write(tmp_path / "test-mini-audios" / f"{record['id']}.wav", waveform, rate)
    official = {key: record[key] for key in ("id", "question", "choices", "answer")} | record["mmau"]
    official["audio_id"] = f"./test-mini-audios/{record['id']}.wav"
    data = tmp_path / "mmau-test-mini.json"
    data.write_text(json.dumps([official]), encoding="utf-8")

    words = ["task=mmau_test_mini", f"tasks.mmau_test_mini.dataset.path={data}", "model=predictions", "model.path=x"]
    (task,) = tasks_from_config(compose_configuration(words))
    (sample,) = task.samples()
    assert sample.audio[0].waveform(16_000).shape == (160_000,)
    assert sample.groups["sub-category"] == "Melodic Structure Interpretation"
    metrics, _ = run(tmp_path, data, {record["id"]: "<RESPONSE>Aggressive and talking</RESPONSE>"})
    assert metrics["metrics"]["accuracy"]["value"] == 100


def test_choices_that_are_numbers_are_read_as_their_texts(tmp_path: Path) -> None:
    rows = [{"id": "a", "audio": "a.wav", "text": "3", "question": "How many?", "choices": [1, 2.5, "3"]}]
    (tmp_path / "m.json").write_text(json.dumps(rows))
    task = Mmau(name="mmau", title="MMAU", dataset=open_dataset(tmp_path / "m.json", metadata=["question", "choices"]))
    (sample,) = task.samples()
    assert sample.metadata["choices"] == ["1", "2.5", "3"]
    (tmp_path / "m.json").write_text(json.dumps([{**rows[0], "choices": [True]}]))
    with pytest.raises(DataError, match="sample a: the choices are"):
        list(task.samples())
