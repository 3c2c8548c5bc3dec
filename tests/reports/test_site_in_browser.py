"""The pages of a report in a real browser, opened from disk: what people do with them works, and nothing else runs."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.write import write_report
from tests.browser import Browser, axe_core, open_browser
from tests.reports.site_runs import HOSTILE, row, sound, speech_run
from tests.reports.test_site_server import begun, serving

pytestmark = pytest.mark.slow

ARABIC = "ذهب الولد إلى المدرسة"
CHINESE = "今天的天气很好"


def rows(*, better: bool) -> list[dict[str, Any]]:
    made = [
        row("a1", "the cat sat", "the cat sat" if better else "the bat sat", (0 if better else 1, 0, 0, 3)),
        row("a2", "good morning", "good evening" if better else "good morning", (1 if better else 0, 0, 0, 2)),
        row("b1", "seven crows fly", "seven cows fly", (1, 0, 0, 3)),
        row("b2", HOSTILE, HOSTILE, (0, 0, 0, 9)),
        row("ar", ARABIC, "ذهب الولد الى مدرسة", (2, 0, 0, 4), language="ar"),
        row("zh", CHINESE, "今天天气很好吗", (0, 1, 1, 7), language="zh"),
    ]
    made += [row(f"c{number:03}", f"word{number} again", f"word{number} again", (0, 0, 0, 2)) for number in range(200)]
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, with sound in and out, one sample with a judge's record, in a folder with a name to be escaped."""
    folder = tmp_path_factory.mktemp("site #1 é")
    for name in ("a1", "a2", "b1"):
        sound(folder / "data" / f"{name}.flac", 2.0)
    runs = []
    for name in ("base", "new"):
        made = rows(better=name == "new")
        for each in made[:1]:
            each["responses"] = [*each["responses"], {"role": "judge", "text": "yes"}]
            each["responses"][0]["speech"] = "demo/speech/s.flac"
        run = speech_run(folder, name, made, folder / "data", title=name.capitalize())
        sound(run / "demo" / "speech" / "s.flac", 1.0, 880)
        record = {"sample": "a1", "call": 1, "request": "r", "response": {"text": "yes", "seconds": 0.1}}
        asked = {"messages": [{"role": "user", "content": ["Is it right? " * 20]}]}
        (run / "demo" / "judge.jsonl").write_text(json.dumps(record | {"asked": asked}) + "\n")
        runs.append(run)
    write_report(runs, output_folder=folder / "report", audio="copy")
    return folder / "report"


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Any]:
    """The page of the task; afterwards nothing may have complained, and nothing outside the folder been asked for."""
    browser.complaints.clear()
    browser.requests.clear()
    page = browser.page()
    go(page, report)
    yield page
    page.close()
    assert browser.complaints == []
    assert all(address.startswith(report.as_uri()) for address in browser.requests)


def go(page: Any, report: Path, state: str = "") -> None:
    page.goto("about:blank")
    page.goto((report / "tasks" / "demo.html").as_uri() + state)
    page.wait_for_selector("#browser[data-ready]")


def until(page: Any, expression: str) -> None:
    """Wait until something is so; the pages' own policy forbids the browser to be told to wait."""
    deadline = time.monotonic() + 60
    while not page.evaluate(f"Boolean({expression})"):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def each_kind_of_page(page: Any, report: Path) -> Iterator[None]:
    """Open the first page, and a task's with a sample."""
    page.goto((report / "index.html").as_uri())
    page.wait_for_selector("table")
    yield
    go(page, report, "#sample=a1")
    shown(page)
    yield


def listed(page: Any) -> list[str]:
    return list(page.locator(".samples tbody a").all_inner_texts())


def shown(page: Any) -> str:
    page.wait_for_selector("article.sample")
    return str(page.locator("article.sample h3 bdi").inner_text())


def test_search_filters_sort_and_pages(page: Any, report: Path) -> None:
    assert len(listed(page)) == 50
    page.fill("#filter-q", "CÁT")
    until(page, "document.querySelector('.count').textContent.startsWith('1 of')")
    assert listed(page) == ["a1"]
    page.fill("#filter-q", "")
    until(page, "document.querySelectorAll('.samples tbody a').length === 50")
    for change, samples in {"fixed": ["a1"], "broken": ["a2"], "both": ["b1", "ar", "zh"], "better": ["a1"]}.items():
        page.select_option("#filter-change", change)
        until(page, f"location.hash.includes('change={change}')")
        assert listed(page) == samples
    page.select_option("#filter-change", "")
    page.select_option("[id='filter-group.speaker']", "b")
    assert listed(page) == ["b1", "b2"]
    page.select_option("[id='filter-group.speaker']", "")
    page.select_option("#filter-sort", "worst")
    assert listed(page)[:2] == ["a2", "ar"]
    page.fill("#filter-from", "40")
    until(page, "document.querySelector('.count').textContent.startsWith('2 of')")
    page.get_by_role("button", name="Clear").click()
    until(page, "document.querySelectorAll('.samples tbody a').length === 50")
    page.get_by_role("button", name="Last").click()
    assert "page 5 of 5" in page.locator(".pages").inner_text()


def test_an_address_leads_to_a_sample_and_a_filter(page: Any, report: Path) -> None:
    go(page, report, "#sample=zh&q=%E5%A4%A9&sort=worst")
    assert (shown(page), listed(page)) == ("zh", ["zh"])
    assert page.input_value("#filter-q") == "天"
    page.goto("about:blank")
    page.goto((report / "index.html").as_uri() + "#new/demo/b1")
    page.wait_for_selector("#browser[data-ready]")
    assert shown(page) == "b1"


def test_keys_lead_through_the_samples(page: Any) -> None:
    page.keyboard.press("j")
    assert shown(page) == "a1"
    page.keyboard.press("ArrowDown")
    until(page, "document.querySelector('article.sample h3 bdi').textContent === 'a2'")
    page.keyboard.press("k")
    until(page, "document.querySelector('article.sample h3 bdi').textContent === 'a1'")
    page.keyboard.press("Escape")
    page.wait_for_selector("article.sample", state="detached")
    page.keyboard.press("/")
    page.keyboard.type("crows")
    until(page, "location.hash.includes('q=crows')")
    assert listed(page) == ["b1"]


def test_sounds_play_one_after_the_other(page: Any, report: Path) -> None:
    go(page, report, "#sample=a1")
    shown(page)
    audios = "[...document.querySelectorAll('audio')]"
    page.keyboard.press("p")
    until(page, f"{audios}[0].currentTime > 0.2")
    page.keyboard.press("p")
    assert page.evaluate(f"{audios}[0].paused")
    page.keyboard.press("b")
    until(page, f"{audios}[1].currentTime > 0.2")
    until(page, f"{audios}[1].ended && {audios}[2].currentTime > 0.2")
    page.keyboard.press("g")
    page.wait_for_selector("canvas.spectrum:not([hidden])")
    drawn = "(() => { const c = document.querySelector('canvas.spectrum'); "
    drawn += "return new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size })()"
    assert page.evaluate(drawn) > 5


def test_errors_are_marked_without_colour_and_the_judge_can_be_read(page: Any, report: Path) -> None:
    go(page, report, "#sample=zh")
    shown(page)
    units = page.locator(".answers").first.locator(".unit:has(del, ins)")
    assert units.all_inner_texts() == ["的\n∗\nD", "∗\n吗\nI"]
    go(page, report, "#sample=ar")
    shown(page)
    assert page.locator(".alignment").first.get_attribute("dir") == "rtl"
    go(page, report, "#sample=a1")
    shown(page)
    assert page.locator("h3 .change.fixed").inner_text() == "✓ fixed"
    page.get_by_text("What the judge was asked").first.click()
    assert "Is it right?" in page.locator(".judge pre").first.inner_text()


def test_a_sample_is_copied_as_json(page: Any, report: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    go(page, report, "#sample=b2")
    shown(page)
    page.keyboard.press("c")
    until(page, "document.querySelector('.tools').textContent.includes('copied')")
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert [each["run"] for each in copied] == ["base", "new"]
    assert copied[0]["references"] == [HOSTILE]


def test_what_a_model_wrote_stays_text(page: Any, report: Path) -> None:
    go(page, report, "#sample=b2")
    shown(page)
    assert page.evaluate("window.hostile") is None
    assert page.locator("article.sample img, article.sample script, article.sample a").count() == 0
    text = page.locator(".reference").first.inner_text()
    assert text.startswith("</script><script>window.hostile = 1</script><img")
    assert "\\u202eevil\\u2066" in text


def test_the_words_are_listed_on_request(page: Any) -> None:
    page.get_by_text("Every word of the references").click()
    page.fill("#word", "cat")
    until(page, "document.querySelector('.vocabulary tbody').textContent.startsWith('cat1')")
    assert page.locator(".vocabulary tbody").inner_text().split() == [
        "cat",
        "1",
        "0.0",
        "%",
        "(0)",
        "100.0",
        "%",
        "(1)",
    ]


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return axe_core(tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(browser: Browser, report: Path, axe: str, scheme: str) -> None:
    page = browser.page(color_scheme=scheme)
    for _ in each_kind_of_page(page, report):
        page.evaluate(axe)
        found = page.evaluate("axe.run().then((found) => found.violations)")
        serious = [
            (each["id"], [node["html"][:200] for node in each["nodes"][:3]])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == []
    page.close()


@pytest.mark.parametrize("width", [360, 1400])
def test_no_page_is_wider_than_its_window(browser: Browser, report: Path, width: int) -> None:
    page = browser.page(viewport={"width": width, "height": 800})
    for _ in each_kind_of_page(page, report):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_a_served_page_draws_sounds_that_lie_elsewhere(browser: Browser, report: Path) -> None:
    with serving(report.parent / "base") as server:
        page = browser.page()
        page.goto(f"{server.address}tasks/demo.html#sample=a1")
        page.wait_for_selector("article.sample")
        drawn = "(() => { const c = document.querySelector('canvas.{}'); if (c.hidden) return 0; "
        drawn += "return new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size })()"
        until(page, f"{drawn.replace('{}', 'wave')} > 2")
        page.keyboard.press("g")
        until(page, f"{drawn.replace('{}', 'spectrum')} > 5")
        page.keyboard.press("p")
        until(page, "document.querySelector('audio').currentTime > 0.2")
        page.close()


def test_a_page_that_waits_for_a_run_shows_it_by_itself(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.site.server._SECONDS_BETWEEN_LOOKS", 0.05)
    browser.complaints.clear()
    with serving(begun(tmp_path / "run")) as server:
        page = browser.page()
        page.goto(server.address)
        assert page.locator("h1").inner_text() == "Nothing finished yet"
        speech_run(tmp_path, "run", rows(better=False)[:1])
        page.get_by_role("link", name="Demo clean").click()
        page.wait_for_selector("#browser[data-ready]")
        assert listed(page) == ["a1"]
        (tmp_path / "run" / "metrics.json").touch()
        page.get_by_role("button", name="There are new results: load them").click()
        page.wait_for_selector("#browser[data-ready]")
        page.close()
    assert browser.complaints == []
