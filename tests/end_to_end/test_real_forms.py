"""Real lines of the published files, read by the tasks as they are configured."""

from pathlib import Path

import pytest

from tests.conftest import CommandLine

# For each task the file, how many samples it holds of how many in the complete set, and the language of its rows.
FORMS = {
    "common_voice_en": ("real_forms/common_voice/en.test.tsv", 4, "16,386", "en"),
    "common_voice_yue": ("real_forms/common_voice/zh-HK.test.tsv", 2, "5,593", "yue"),
    "common_voice_yue_locale": ("real_forms/common_voice/yue.test.tsv", 2, "2,565", "yue"),
    "aishell": ("real_forms/aishell/text", 2, "7,176", "zh"),
    "big_bench_audio": ("real_forms/big_bench_audio/metadata.jsonl", 1, "1,000", "en"),
    "mmau_test_mini": ("real_forms/mmau/rows.json", 3, "1,000", "en"),
    "toolcall": ("stepeval_toolcall", 4, "1,463", "zh"),
}


@pytest.fixture
def settings(shared_data: Path) -> list[str]:
    if not (shared_data / "real_forms").is_dir():
        pytest.skip(f"no real lines at {shared_data}")
    paths = [f"tasks.{task}.dataset.path={shared_data / path}" for task, (path, *_) in FORMS.items()]
    return [f"task=[{','.join(FORMS)}]", *paths, "+tasks.toolcall.dataset.tools=[timbre]"]


def test_real_lines_are_counted_as_a_part_of_what_is_known(settings: list[str], evalkit_here: CommandLine) -> None:
    outcome = evalkit_here("data", "verify", *settings)
    assert outcome.returncode == 1, outcome.stderr  # a part, without its recordings
    sections = dict(zip(FORMS, outcome.stdout.split("read from ")[1:], strict=True))
    for task, (_, found, known, language) in FORMS.items():
        lines = [line.split() for line in sections[task].splitlines()]
        assert next(line for line in lines if line[:1] == ["samples"])[1:3] == [str(found), known], task
        assert next(line for line in lines if line[:1] == ["references"])[1] in (f"{found},", "0,"), task
        assert next(line for line in lines if line[:1] == ["language"])[1:3] == [language, str(found)], task
        assert f"{task}: partial, {found:,} of {known} samples" in outcome.stdout


def test_the_exact_request_of_a_real_line_is_shown(settings: list[str], evalkit_here: CommandLine) -> None:
    outcome = evalkit_here("show", "model=echo", *settings)
    assert outcome.returncode == 0, outcome.stderr
    for sample in ("common_voice_en_27710027", "common_voice_zh-HK_22943345", "common_voice_yue_32334292"):
        assert f"sample {sample}\n" in outcome.stdout
    assert "sample BAC009S0764W0179\n" in outcome.stdout
    assert "sample 0\n" in outcome.stdout
