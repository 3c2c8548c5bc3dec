"""Stored runs compared: what is drawn, several runs at once, groups against the trend, fixed and broken samples."""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import binomtest

from evalkit.errors import ConfigurationError
from evalkit.results.compared import ComparedMetric, Comparison
from evalkit.results.comparison import compare_runs
from evalkit.results.comparison.answers import align_answers
from tests.answered_runs import Answered, store_run
from tests.conftest import ROOT

RESAMPLES = 500
SENTENCE = "the old lighthouse keeper counted seven grey ships"


def spoiled(words: int) -> str:
    """The sentence with its first words heard wrongly."""
    return " ".join(["wrong"] * words + SENTENCE.split()[words:])


def sample(number: int, wrong: int, **labels: Mapping[str, str]) -> Answered:
    return Answered(f"u{number:03}", SENTENCE, spoiled(wrong), seconds=1 + number % 30, **labels)


def utterances(wrong: Mapping[str, int], each: int = 8, *, labelled: bool = True) -> Iterator[Answered]:
    """Some utterances of each speaker, in all of which so many words are wrong."""
    for place, (speaker, count) in enumerate(wrong.items()):
        for number in range(each):
            clusters = {"speaker": speaker, "room": str(number % 2)} if labelled else {}
            yield sample(place * each + number, count, clusters=clusters)


def compared(base: Path, new: Path, **settings: object) -> ComparedMetric:
    [row] = compare_runs(base, new, resamples=RESAMPLES, **settings).metrics  # type: ignore[arg-type]
    return row


@pytest.fixture(scope="module")
def reacting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two systems that eight speakers suit differently: six by one word in favour of the base, two against."""
    folder = tmp_path_factory.mktemp("reacting")
    speakers = "abcdefgh"
    base = store_run(folder / "base", utterances(dict.fromkeys(speakers, 2)))
    new = store_run(folder / "new", utterances({each: 3 if each in "abcdef" else 1 for each in speakers}))
    return base, new


def test_speakers_that_react_differently_are_no_evidence_though_their_utterances_seem_to_be(
    reacting: tuple[Path, Path],
) -> None:
    by_speaker = compared(*reacting)
    assert (by_speaker.verdict, by_speaker.resampled, by_speaker.drawn) == ("no evidence", "speaker", 8)
    singly = compared(*reacting, cluster="none")
    assert (singly.verdict, singly.resampled, singly.drawn) == ("worse", "sample", 64)
    assert by_speaker.difference == singly.difference == pytest.approx(100 * 4 / 64)
    assert by_speaker.shared == singly.shared == 64


def test_another_field_can_be_drawn_where_there_is_one(reacting: tuple[Path, Path]) -> None:
    few = compared(*reacting, cluster="room")
    assert (few.resampled, few.drawn, few.verdict, few.p_value) == ("room", 2, "not comparable", None)
    assert few.reason == "2 rooms tell nothing: at least 5 must be drawn"
    assert (few.base, few.new) == (25, 31.25), "values can be seen, if not judged"
    with pytest.raises(ConfigurationError, match="no sample has a field 'speakr' .*, did you mean 'speaker'"):
        compared(*reacting, cluster="speakr")


def test_a_run_without_labels_takes_those_of_the_other(tmp_path: Path, reacting: tuple[Path, Path]) -> None:
    base, new = reacting
    older = store_run(tmp_path / "older", utterances(dict.fromkeys("abcdefgh", 2), labelled=False))
    for pair in ((older, new), (new, older)):
        row = compared(*pair)
        assert (row.resampled, row.drawn, row.p_value) == ("speaker", 8, compared(base, new).p_value)


def test_labels_that_disagree_are_a_reason(tmp_path: Path, reacting: tuple[Path, Path]) -> None:
    moved = [replace(each, clusters={"speaker": "z"}) for each in utterances(dict.fromkeys("abcdefgh", 2))]
    row = compared(reacting[0], store_run(tmp_path / "moved", moved))
    assert row.verdict == "not comparable"
    assert row.reason == "sample u000 is of the speaker a in one run and of z in the other"


def test_runs_that_were_drawn_by_different_fields_need_a_choice(tmp_path: Path, reacting: tuple[Path, Path]) -> None:
    by_room = store_run(tmp_path / "room", utterances(dict.fromkeys("abcdefgh", 2)), cluster="room")
    row = compared(reacting[0], by_room)
    assert row.reason == "one run was resampled by room, the other by speaker; choose with --cluster"
    assert compared(reacting[0], by_room, cluster="speaker").compared


def test_a_run_in_another_order_that_is_read_in_many_pieces_compares_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = [
        sample(each, each % 3, groups={"accent": "ab"[each % 2]}, clusters={"room": str(each % 7)})
        for each in range(40)
    ]
    new = [replace(each, answer=spoiled(number % 4)) for number, each in enumerate(base[3:])]
    whole = [store_run(tmp_path / "whole" / name, run) for name, run in (("base", base), ("new", new))]
    expected = compare_runs(*whole, resamples=RESAMPLES, tests=["mapsswe"]).to_json()
    assert [change["sample_id"] for change in expected["metrics"][0]["worsened"][:2]] == ["u030", "u018"]
    monkeypatch.setattr("evalkit.results.scores.ROWS_AT_ONCE", 3)
    pieces = [store_run(tmp_path / "pieces" / name, run) for name, run in (("base", base), ("new", new[::-1]))]
    assert compare_runs(*pieces, resamples=RESAMPLES, tests=["mapsswe"]).to_json() == expected
    changed = [replace(each, reference="another") if each.id in ("u009", "u031") else each for each in new[::-1]]
    row = compared(pieces[0], store_run(tmp_path / "other" / "new", changed))
    assert row.reason == "sample u009 has another reference in each run: these are different data sets"


def test_several_runs_are_corrected_together(tmp_path: Path) -> None:
    runs = [store_run(tmp_path / name, (sample(n, w) for n in range(12))) for name, w in (("a", 2), ("b", 2), ("c", 3))]
    alone, same = compared(runs[0], runs[2]), compared(runs[0], runs[1])
    both = compare_runs(*runs, resamples=RESAMPLES)
    assert both.runs == ["b", "c"]
    assert [row.run for row in both.metrics] == ["b", "c"]
    assert [row.p_value for row in both.metrics] == [same.p_value, alone.p_value]
    assert alone.p_value is not None
    assert both.of("c")[0].adjusted_p_value == pytest.approx(2 * alone.p_value)


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    runs = [store_run(tmp_path / each / "run", [sample(0, 1)]) for each in "abc"]
    comparison = compare_runs(*runs, resamples=10)
    assert comparison.runs == [f"run ({runs[1]})", f"run ({runs[2]})"]
    with pytest.raises(ConfigurationError, match="a run is named twice"):
        compare_runs(runs[0], runs[1], runs[1])


def test_only_what_is_named_is_looked_at(tmp_path: Path) -> None:
    runs = [
        store_run(tmp_path / name, {task: [sample(n, w) for n in range(12)] for task in ("one", "two")})
        for name, w in (("a", 2), ("b", 3))
    ]
    whole = compare_runs(*runs, resamples=RESAMPLES)
    part = compare_runs(*runs, resamples=RESAMPLES, only=["two"])
    assert [row.name for row in part.metrics] == ["two"]
    assert part.metrics[0].p_value == part.metrics[0].adjusted_p_value == whole.metrics[1].p_value
    with pytest.raises(ConfigurationError, match="no run has 'tow', did you mean 'two'"):
        compare_runs(*runs, only=["tow"])


def accented(wrong: Mapping[str, int]) -> Iterator[Answered]:
    for place, (accent, count) in enumerate(wrong.items()):
        for number in range(20):
            yield replace(sample(20 * place + number, count, groups={"accent": accent}), seconds=None)


def test_an_accent_that_got_worse_while_the_whole_got_better_is_found(tmp_path: Path) -> None:
    base = store_run(tmp_path / "base", accented({"northern": 4, "southern": 4, "western": 2}))
    new = store_run(tmp_path / "new", accented({"northern": 1, "southern": 4, "western": 3}))
    row = compared(base, new)
    assert row.verdict == "better"
    [group] = row.groups
    assert (group.field, group.label, group.samples, group.verdict) == ("accent", "western", 20, "worse")
    assert (group.base, group.new, group.difference) == (25, 37.5, 12.5)
    # The one accent that moved against the trend is tested, and all three count.
    assert group.adjusted_p_value == pytest.approx(3 * group.p_value)
    assert not compared(base, base).groups


@pytest.mark.parametrize("at_once", [7, 60, 10_000])
def test_long_recordings_that_got_worse_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("evalkit.results.scores.ROWS_AT_ONCE", at_once)
    base = store_run(tmp_path / "base", (sample(number, 3) for number in range(60)))
    new = store_run(tmp_path / "new", (sample(number, 4 if number % 30 >= 20 else 1) for number in range(60)))
    row = compared(base, new)
    assert row.verdict == "better"
    [group] = row.groups
    assert (group.field, group.label, group.samples, group.verdict) == ("audio length", "over 20.3 s", 20, "worse")


def test_fixed_and_broken_samples_are_counted_and_laid_beside_the_reference(tmp_path: Path) -> None:
    pairs = [(0, 0), (0, 2), (3, 0), (2, 1), (1, 1), (0, 1)]
    base, new = (
        store_run(tmp_path / name, [sample(number, pair[side]) for number, pair in enumerate(pairs)])
        for side, name in enumerate(("base", "new"))
    )
    row = compared(base, new, samples=2)
    counts = row.counts
    assert counts is not None
    assert (counts.fixed, counts.broken, counts.both_wrong) == (1, 2, 2)
    assert (counts.improved, counts.worsened) == (2, 2)
    assert [change.sample_id for change in row.improved] == ["u002", "u003"]
    assert [change.sample_id for change in row.worsened] == ["u001", "u005"]
    assert [tuple(each) for each in row.worsened[0].alignment][:3] == [
        ("the", "the", "wrong"),
        ("old", "old", "wrong"),
        ("lighthouse", "lighthouse", "lighthouse"),
    ]
    assert compared(base, new, samples=0).improved == []


def test_accuracies_have_fixed_and_broken_samples_too(tmp_path: Path) -> None:
    answers = {"base": "yes no no yes yes", "new": "yes yes no no no"}
    base, new = (
        store_run(
            tmp_path / name,
            [Answered(str(number), "yes", answer) for number, answer in enumerate(said.split())],
            schemes=(),
        )
        for name, said in answers.items()
    )
    counts = compared(base, new).counts
    assert counts is not None
    assert (counts.fixed, counts.broken, counts.both_wrong) == (1, 2, 1)


def test_texts_are_cut_by_the_scheme_of_the_figure_that_is_compared(tmp_path: Path) -> None:
    base, new = (
        store_run(tmp_path / name, [Answered("a", "Mr. Jones!", answer)], schemes=("default", "raw"))
        for name, answer in (("base", "Mr. Jones!"), ("new", "mister Jones"))
    )
    by_default, raw = compare_runs(base, new, resamples=10).metrics
    assert (by_default.key, raw.key) == ("default", "raw")
    assert not by_default.worsened
    assert [tuple(each) for each in raw.worsened[0].alignment] == [
        ("Mr.", "Mr.", "mister"),
        ("Jones!", "Jones!", "Jones"),
    ]


def test_characters_are_aligned_one_by_one(tmp_path: Path) -> None:
    base, new = (
        store_run(tmp_path / name, [Answered("a", "今天天气", answer)], language="zh")
        for name, answer in (("base", "今天天气"), ("new", "今天气"))
    )
    [change] = compared(base, new).worsened
    assert [each.reference for each in change.alignment] == list("今天天气")
    assert sum(each.new is None for each in change.alignment) == 1


def test_two_answers_beside_one_reference_are_each_as_aligned_alone() -> None:
    generator = random.Random(3)
    for _ in range(200):
        reference, base, new = (generator.choices("abc", k=generator.randint(0, 6)) for _ in range(3))
        aligned = align_answers(reference, base, new)
        assert [each.reference for each in aligned if each.reference is not None] == reference
        assert [each.base for each in aligned if each.base is not None] == base
        assert [each.new for each in aligned if each.new is not None] == new
        assert all(any(unit is not None for unit in each) for each in aligned)


def test_mcnemar_stands_beside_our_p_value_for_accuracies_alone(tmp_path: Path) -> None:
    said = {"base": "yes " * 30 + "no " * 10, "new": "yes " * 22 + "no " * 8 + "yes no no no no no no no no no"}
    base, new = (
        store_run(tmp_path / name, [Answered(str(n), "yes", word) for n, word in enumerate(words.split())], schemes=())
        for name, words in said.items()
    )
    tests = {each.name: each for each in compared(base, new, tests=["mcnemar", "mapsswe"]).tests}
    assert tests["mcnemar"].p_value == pytest.approx(binomtest(1, 9).pvalue)
    assert tests["mcnemar"].remark == "1 fixed, 8 broken"
    assert (tests["mapsswe"].p_value, tests["mapsswe"].remark) == (None, "is for word error rates")


@pytest.mark.slow
def test_mapsswe_is_what_sc_stats_finds(tmp_path: Path) -> None:
    cases = json.loads((ROOT / "tests" / "golden_scores" / "golden_sclite.json").read_text(encoding="utf-8"))["cases"]
    base, new = (
        store_run(tmp_path / name, [Answered(case["id"], case["ref"], case[name]) for case in cases], ["raw"])
        for name in ("a", "b")
    )
    row = compared(base, new, tests=["mapsswe", "mcnemar"])
    mapsswe, mcnemar = row.tests
    assert mapsswe.p_value == pytest.approx(0.050, abs=0.0005)
    assert row.difference is not None
    assert row.difference < 0, "the better system is b"
    assert mcnemar.remark == "is for accuracies, of samples that are right or wrong"


def test_a_run_of_an_earlier_version_compares_as_before() -> None:
    stored = ROOT / "tests" / "data" / "run_format_1"
    row = compared(stored, stored)
    assert (row.verdict, row.difference, row.resampled, row.shared) == ("no evidence", 0, "sample", 6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"level": 1.0}, "level"),
        ({"minimum": 0.0}, "minimum is 0.0; it must be a number above 0"),
        ({"minimum": float("nan")}, "minimum is nan"),
        ({"correction": "hol"}, "correction is 'hol'; it must be holm or bh, did you mean 'holm'"),
        ({"tests": ["mcnemr"]}, "test is 'mcnemr'"),
        ({"samples": -1}, "samples is -1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_that_cannot_be_are_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        compare_runs("a", "b", **settings)  # type: ignore[arg-type]


def test_a_comparison_says_what_it_holds(tmp_path: Path) -> None:
    base = store_run(tmp_path / "base", [sample(n, 2) for n in range(12)])
    comparison: Comparison = compare_runs(base, base, resamples=10, minimum=0.5)
    assert (comparison.minimum, comparison.correction, comparison.level) == (0.5, "holm", 0.95)
    assert not comparison.regressed
    assert comparison.compared
