"""Big Bench Audio: spoken questions of BIG-Bench Hard; a judge compares the answer with the official one.

The protocol is that of Artificial Analysis, who made the data set, as their announcement of December 2024 on the
Hugging Face blog describes it ("Evaluating Audio Reasoning with Big Bench Audio"): a spoken answer is transcribed, a
written one taken as it is, and a language model (theirs was Claude 3.5 Sonnet of October 2024) says whether it agrees
with the official answer.
"""

from typing import Unpack, get_args

from evalkit.chain import CallFailed, Chain, Score
from evalkit.hints import check_choice
from evalkit.metrics.mean import mean_metric
from evalkit.task import CommonSettings, DatasetTask
from evalkit.types import Sample
from tasks.judging import Judgement, Judging, load_judge_prompts
from tasks.steps import AnswerMode, answer
from tasks.verdicts import read_verdict


class BigBenchAudio(DatasetTask):
    """Answer a question heard in a recording.

    An empty answer, or one that was to be spoken and is not, is wrong without asking the judge. If no reply of the
    judge can be read, the sample counts as failed and as wrong; it never leaves the denominator.

    Args:
        answer: ``text``, or ``speech``, which a model in the role ``transcriber`` writes down for the judge.
        **common: see ``DatasetTask``; the data set yields samples with one recording and the official answer as their
            reference, and the kind of question is ``spoken_question``.

    Raises:
        ConfigurationError: ``answer`` is neither.
    """

    details = ("candidate_answer", "verdict")

    def __init__(self, *, answer: AnswerMode = "text", **common: Unpack[CommonSettings]) -> None:
        super().__init__(**common)
        check_choice(f"task {self.name}: answer", answer, get_args(AnswerMode))
        self._answer_mode: AnswerMode = answer
        self.roles = ("model", "transcriber", "judge") if answer == "speech" else ("model", "judge")
        self._prompt = self._prompts.of("spoken_question")
        self._transcriber = self._prompts.of("asr", "transcriber")
        self._judge_prompts = load_judge_prompts("big_bench_audio")
        self._judging = Judging(
            read_verdict, ("INCORRECT", "CORRECT"), generation={"temperature": 0, "max_new_tokens": 1024}
        )
        recipe = {"answer": answer, "judge_prompt": self._judge_prompts.version}
        self.metrics = {"accuracy": mean_metric("Accuracy", recipe=recipe)}

    def chain(self, sample: Sample) -> Chain:
        """Put the question to the model, its speech to the transcriber, the words to the judge."""
        request = self._prompt.request(sample.audio, language=sample.language, output=self._answer_mode)
        candidate = (yield from answer(request, self._transcriber, sample.language)).words
        if not candidate.strip():
            return self._score(candidate, "not asked")
        reference = sample.references[0]
        fields = {"official_answer": reference, "candidate_answer": candidate}
        question = self._judge_prompts.question("correctness", fields)
        try:
            judgement = yield from self._judging.judge(question, references=(reference,), answers=(candidate,))
        except CallFailed as failed:
            judgement = Judgement(failure=failed.failure)
        verdict = "unreadable" if judgement.failure else "correct" if judgement.mean else "incorrect"
        return self._score(candidate, verdict, judgement)

    def unanswered(self, sample: Sample) -> Score:  # noqa: ARG002 - all are worth the same
        """Score no answer as a wrong one."""
        return self._score("", "not asked")

    def _score(self, candidate: str, verdict: str, judgement: Judgement | None = None) -> Score:
        judgement = judgement or Judgement()
        details = {"candidate_answer": candidate, "verdict": verdict}
        return Score({"accuracy": (judgement.mean, 1.0)}, details, judgement.failure)
