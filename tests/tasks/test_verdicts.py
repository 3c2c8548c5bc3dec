"""What judges write, and what is read in it."""

import pytest

from tasks.verdicts import read_mark, read_verdict

YES = [
    "yes",
    "Yes.",
    "**yes**",
    "Yes。",
    "YES!",
    '"yes"',
    "`yes`",
    "(yes)",
    "Ｙｅｓ",
    " \n yes \n\n",
    "Answer: yes",
    "Answer: **Yes**.",
    "**Final answer:** yes",
    "The final verdict is: YES",
    "答案：yes",
    "最终答案是yes。",
    r"\boxed{yes}",
    r"$\boxed{\text{Yes}}$",
    "<answer>yes</answer>",
    "<verdict>\nyes\n</verdict>",
    "correct",
    "CORRECT.",
    "Verdict: correct",
    "<think>It might be no.\nno</think>yes",
    "It might be no.</think>\n\nYes",
    "Both speak of a man.\n\nVerdict: yes",
    "The first says no, the second yes.\n**Yes**",
    "Verdict: no\nOn second thoughts:\nVerdict: yes",
    "```\nyes\n```",
    "```text\nyes\n```",
    '{"verdict": "yes"}',
    '{"answer": "Yes.", "reason": "it is not a no"}',
    '{"reason": "no doubt", "correct": true}',
    '```json\n{"judgement": "CORRECT"}\n```',
    'Here it is:\n```json\n{\n  "result": "yes"\n}\n```',
    'Both agree.\n{"verdict": "yes"}',
]
UNCLEAR = [
    "",
    " \n",
    "maybe",
    "是",
    "yes or no",
    "yes/no",
    "yes and no",
    "yes\nno",
    "yes, both are male",
    "Yes: it is",
    "not correct",
    "It is CORRECT",
    "INCORRECT, not CORRECT",
    "noyes",
    "yesterday",
    "know",
    "Verdict: yes\nbut then again",
    "<think>yes",
    "<think>yes</think>",
    '{"verdict": "maybe"}',
    '{"verdict": "yes", "answer": "no"}',
    '{"reason": "yes"}',
    "[]",
    "{}",
]


@pytest.mark.parametrize("reply", YES)
def test_a_judgement_is_read_in_any_dress(reply: str) -> None:
    assert read_verdict(reply) == 1


@pytest.mark.parametrize(
    "reply", ["no", "**No**.", "Answer: incorrect", '{"correct": false}', "Yes?\nVerdict: no", "NO。"]
)
def test_so_is_a_refusal(reply: str) -> None:
    assert read_verdict(reply) == 0


@pytest.mark.parametrize("reply", UNCLEAR)
def test_what_is_unclear_is_not_guessed(reply: str) -> None:
    assert read_verdict(reply) is None


@pytest.mark.parametrize(
    ("reply", "mark"),
    [
        ("4", 4),
        ("4.", 4),
        ("**4**", 4),
        ("Score: 4", 4),
        ("Rating: [[4]]", 4),
        ("4/5", 4),
        ("4 out of 5", 4),
        ("4分", 4),
        ("4.5", 4.5),
        ("５", 5),
        ('{"score": 3}', 3),
        ("<think>2</think>3", 3),
        ("It is short.\nScore: 2", 2),
        ("0", None),
        ("6", None),
        ("-4", None),
        ("4/10", None),
        ("4 or 5", None),
        ("3\n4", None),
        ("1-5", None),
        ("four", None),
        ("", None),
    ],
)
def test_marks(reply: str, mark: float | None) -> None:
    assert read_mark(reply, 1, 5) == mark


@pytest.mark.parametrize("piece", ["answer: ", "_", "{", "*", "是", "yes ", "\n{", "<a>", "9", "```", "<think>", "："])
def test_long_nonsense_is_read_in_no_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    for ending in ("", "yes", "4", "}"):
        read_verdict(text + ending)
        read_mark(text + ending, 1, 5)
