"""Big Bench Audio: spoken questions of BIG-Bench Hard; a judge compares the answer with the official one.

The protocol is that of Artificial Analysis, who made the data set, as their announcement of December 2024 on the
Hugging Face blog describes it ("Evaluating Audio Reasoning with Big Bench Audio"): a spoken answer is transcribed, a
written one taken as it is, and a language model (theirs was Claude 3.5 Sonnet of October 2024) says whether it agrees
with the official answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from evalkit.chain import Score
from evalkit.datasets import Dataset
from evalkit.errors import ConfigurationError
from evalkit.metrics.mean import mean_metric
from evalkit.prompts import Prompt
from evalkit.task import DatasetTask
from evalkit.types import Call, Response, Sample
from tasks.judging import Judging

Answer = Literal["text", "speech"]

JUDGE_PROMPT_NAME = "artificial_analysis_without_question.v1"
JUDGE_PROMPT = """\
Assess whether the following CANDIDATE ANSWER is CORRECT or INCORRECT.
For the CANDIDATE ANSWER to be correct, it must be consistent with the OFFICIAL ANSWER.
If the CANDIDATE ANSWER contradicts itself, assess the first proposed answer.
If the CANDIDATE ANSWER provides a final answer and working, assess the final answer only.
If the CANDIDATE ANSWER includes irrelevant information, assess only the relevant information.
If the CANDIDATE ANSWER includes a numeric value it is ok if it is spelled e.g. 7 or seven
It is ok if the CANDIDATE ANSWER involves a misspelling of a person's name e.g. Leda or Lida, Autry or Audrie.

The OFFICIAL ANSWER: {official_answer}

BEGIN CANDIDATE ANSWER TO ASSESS

{candidate_answer}

END CANDIDATE ANSWER TO ASSESS

Reply only with CORRECT or INCORRECT."""
"""The published prompt less its line with the question: the data set has the questions as sound only."""

_MARKS = {"correct": 1.0, "incorrect": 0.0}


def judge_question(official_answer: str, candidate_answer: str) -> str:
    """What the judge is asked about one answer."""
    before, _, rest = JUDGE_PROMPT.partition("{official_answer}")
    between, _, after = rest.partition("{candidate_answer}")
    return f"{before}{official_answer}{between}{candidate_answer}{after}"


def read_verdict(reply: str) -> float | None:
    """1 for ``CORRECT``, 0 for ``INCORRECT``, None for a reply that is anything but that one word."""
    return _MARKS.get(reply.strip(" \t\r\n.*\"'`").lower())


class BigBenchAudio(DatasetTask):
    """Answer a question heard in a recording.

    An empty answer, or one that was to be spoken and is not, is wrong without asking the judge. If no reply of the
    judge can be read, the sample counts as failed and as wrong; it never leaves the denominator.

    Args:
        name: key of the task in configs and run folders.
        title: what people call the test set.
        dataset: yields samples with one recording and the official answer as their reference.
        answer: ``text``, or ``speech``, which a model in the role ``transcriber`` writes down for the judge.
        prompts: how the models want to be asked, by kind of question; ``spoken_question`` and ``transcriber`` are
            used here.
        table: where published tables show the test set.
        expected_samples: how many questions the complete test set has.
        facts: source, licence, access and the like, for people.

    Raises:
        ConfigurationError: ``answer`` is neither.
    """

    details = ("candidate_answer", "verdict")

    def __init__(
        self,
        name: str,
        title: str,
        dataset: Dataset,
        answer: Answer = "text",
        prompts: Mapping[str, Any] | None = None,
        table: Mapping[str, str] | None = None,
        expected_samples: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        if answer not in get_args(Answer):
            raise ConfigurationError(f"task {name}: answer is {answer!r}; it must be {' or '.join(get_args(Answer))}")
        super().__init__(name, title, dataset, table=table, expected_samples=expected_samples, facts=facts)
        self._answer = answer
        self.roles = ("model", "transcriber", "judge") if answer == "speech" else ("model", "judge")
        self._calls_before_judge = 2 if answer == "speech" else 1
        self._prompt = Prompt.from_profile(prompts or {}, "spoken_question")
        self._transcriber_prompt = Prompt.from_profile(prompts or {}, "transcriber")
        self._judging = Judging(read_verdict, generation={"temperature": 0, "max_new_tokens": 1024})
        recipe = {"answer": answer, "judge_prompt": JUDGE_PROMPT_NAME}
        self.metrics = {"accuracy": mean_metric("Accuracy", recipe=recipe)}

    def next_call(self, sample: Sample, responses: Sequence[Response]) -> Call | None:
        """The question to the model, its speech to the transcriber, the words to the judge."""
        if not responses:
            request = self._prompt.request(
                sample.audio, language=sample.language, output=self._answer, task=self.name, sample_id=sample.id
            )
            return Call("model", request)
        if len(responses) < self._calls_before_judge:
            speech = responses[0].speech
            if speech is None:
                return None
            request = self._transcriber_prompt.request(
                (speech,), language=sample.language, task=self.name, sample_id=sample.id
            )
            return Call("transcriber", request)
        candidate = self._candidate(responses)
        if not candidate.strip():
            return None
        question = judge_question(sample.references[0], candidate)
        judged = responses[self._calls_before_judge :]
        return self._judging.next_call(question, judged, task=self.name, sample_id=sample.id)

    def score(self, sample: Sample, responses: Sequence[Response]) -> Score:  # noqa: ARG002 - the judge knew it
        """The judge's verdict; no answer is a wrong one."""
        candidate = self._candidate(responses)
        if not candidate.strip():
            return Score({"accuracy": (0.0, 1.0)}, {"candidate_answer": candidate, "verdict": "not asked"})
        verdict = self._judging.verdict(responses[self._calls_before_judge :])
        words = "unreadable" if verdict.failure else "correct" if verdict.mean else "incorrect"
        details = {"candidate_answer": candidate, "verdict": words}
        return Score({"accuracy": (verdict.mean, 1.0)}, details, verdict.failure)

    def _candidate(self, responses: Sequence[Response]) -> str:
        """The answer in words, empty without one."""
        last = self._calls_before_judge - 1
        return responses[last].text if len(responses) > last else ""
