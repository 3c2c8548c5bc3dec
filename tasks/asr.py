"""Speech recognition: one call per utterance, scored by edit distance under one or more normalisation schemes.

The protocol is that of the Step-Audio 2 report (arXiv 2507.16632, section 4.1): word error rate for languages written
with spaces, character error rate for Chinese, Cantonese and Japanese, corpus-level.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from evalkit.chain import Score
from evalkit.datasets import Dataset
from evalkit.errors import ConfigurationError
from evalkit.metrics.error_rate import count_errors, error_rate_metric
from evalkit.metrics.metric import Metric
from evalkit.prompts import Prompt
from evalkit.task import DatasetTask
from evalkit.text import get_scheme, scheme_names
from evalkit.types import Call, Response, Sample


class Transcription(DatasetTask):
    """Transcribe each recording of a data set.

    Args:
        name: key of the task in configs and run folders.
        title: what people call the test set.
        language: the language transcribed, by which texts are normalised.
        dataset: yields samples with one recording and one reference each.
        schemes: normalisation schemes to score with, the first of which gives the headline figure; or ``all``.
        prompts: how the model under test wants to be asked, by kind of question; ``asr`` is used here.
        table: where published tables show the test set.
        expected_samples: how many utterances the complete test set has.
        facts: source, licence, access and the like, for people.
    """

    details = ("reference_normalised", "hypothesis_normalised")

    def __init__(
        self,
        name: str,
        title: str,
        language: str,
        dataset: Dataset,
        schemes: Sequence[str] | Literal["all"] = ("default",),
        prompts: Mapping[str, Any] | None = None,
        table: Mapping[str, str] | None = None,
        expected_samples: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        names = scheme_names(language) if schemes == "all" else [schemes] if isinstance(schemes, str) else schemes
        if not names:
            raise ConfigurationError(f"task {name}: schemes is empty; name at least one, such as [default]")
        super().__init__(name, title, dataset, table=table, expected_samples=expected_samples, facts=facts)
        self.language = language
        self._prompt = Prompt.from_profile(prompts or {}, "asr")
        self._schemes = {scheme: get_scheme(language, scheme) for scheme in names}
        self._keys: dict[str, str] = {}
        self.metrics: dict[str, Metric] = {}
        for scheme_name, scheme in self._schemes.items():
            metric = error_rate_metric(scheme)
            self._keys[scheme_name] = metric.name.lower() + (f"_{scheme_name}" if self.metrics else "")
            self.metrics[self._keys[scheme_name]] = metric

    def next_call(self, sample: Sample, responses: Sequence[Response]) -> Call | None:
        """The one question: what is said in the recording?"""
        if responses:
            return None
        return Call(
            "model",
            self._prompt.request(sample.audio, language=self.language, task=self.name, sample_id=sample.id),
        )

    def score(self, sample: Sample, responses: Sequence[Response]) -> Score:
        """Edit operations against the reference; no answer counts as an empty one."""
        reference = sample.references[0]
        hypothesis = responses[0].text if responses else ""
        statistics: dict[str, Sequence[float]] = {}
        details: dict[str, str] = {}
        for name, scheme in self._schemes.items():
            normalised_reference, normalised_hypothesis = (
                scheme.normalize(reference),
                scheme.normalize(hypothesis),
            )
            statistics[self._keys[name]] = count_errors(
                scheme.units(normalised_reference), scheme.units(normalised_hypothesis)
            )
            if not details:
                details = dict(zip(self.details, (normalised_reference, normalised_hypothesis), strict=True))
        return Score(statistics, details)
