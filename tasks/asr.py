"""Speech recognition: one call per utterance, scored by edit distance under one or more normalisation schemes.

The protocol is that of the Step-Audio 2 report (arXiv 2507.16632, section 4.1): word error rate for languages written
with spaces, character error rate for Chinese, Cantonese and Japanese, corpus-level.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, Unpack

from evalkit.chain import Chain, Score
from evalkit.errors import ConfigurationError, DataError
from evalkit.metrics.error_rate import error_rate_metric, get_alignment
from evalkit.metrics.metric import Metric
from evalkit.task import CommonSettings, DatasetTask
from evalkit.text import Scheme, get_scheme, scheme_names
from evalkit.types import Call, Sample


class Transcription(DatasetTask):
    """Transcribe each recording of a data set.

    A sample that says its own language is asked and scored in that language, by the scheme of the same name. Where
    samples are in several languages, the figure counts errors and reference units as each language's scheme has them,
    words in one and characters in another; its recipe then names every scheme and unit. ``groups: [language]`` in the
    data set breaks it down, which is what should be quoted.

    Args:
        language: the language transcribed, for samples that do not say theirs.
        schemes: normalisation schemes to score with, the first of which gives the headline figure; or ``all``.
        alignment: whose alignment errors are counted in, ``levenshtein`` or ``sclite`` (``evalkit.error_rate``).
        **common: see ``DatasetTask``; the data set yields samples with one recording and one reference each, and the
            kind of question is ``asr``.

    Raises:
        ConfigurationError: there is no such scheme for the language, or none is named; there is no such alignment.
    """

    details = ("reference_normalised", "hypothesis_normalised")

    def __init__(
        self,
        *,
        language: str,
        schemes: Sequence[str] | Literal["all"] = ("default",),
        alignment: str = "levenshtein",
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(**common)
        names = scheme_names(language) if schemes == "all" else [schemes] if isinstance(schemes, str) else schemes
        if not names:
            raise ConfigurationError(f"task {self.name}: schemes is empty; name at least one, such as [default]")
        self.language = language
        self._count_errors = get_alignment(alignment)
        self._prompt = self._prompts.of("asr")
        self._scheme_names: dict[str, str] = {}  # by key of the metric
        self._schemes_of: dict[str | None, dict[str, Scheme]] = {}  # by language; every sample asks for them
        self.metrics: dict[str, Metric] = {}
        for name in names:
            metric = error_rate_metric(get_scheme(language, name), alignment)
            key = metric.name.lower() + (f"_{name}" if self.metrics else "")
            self._scheme_names[key] = name
            self.metrics[key] = metric

    def samples(self) -> Iterator[Sample]:
        """Yield the utterances, in the order of the data set.

        Raises:
            DataError: there is no normalisation scheme for a sample's language.
        """
        for sample in self._dataset:
            try:
                self._schemes(sample.language)
            except ConfigurationError as error:
                raise DataError(f"{self._dataset.source}: sample {sample.id}: {error}") from error
            yield sample

    def chain(self, sample: Sample) -> Chain:
        """Ask what is said in the recording."""
        response = yield Call("model", self._prompt.request(sample.audio, language=self._language_of(sample)))
        return self._score(sample, response.text)

    def unanswered(self, sample: Sample) -> Score:
        """Score no answer as an empty one."""
        return self._score(sample, "")

    def known_schemes(self) -> Sequence[str]:
        """Return the schemes of the task's language, those that it is scored with first; one of two names once."""
        found: dict[Scheme, str] = {}
        for name in (*self._scheme_names.values(), *scheme_names(self.language)):
            found.setdefault(get_scheme(self.language, name), name)
        return tuple(found.values())

    def mixed_recipe(self, metric: str, languages: Collection[str]) -> Mapping[str, str]:
        """Return the schemes and units of the languages other than the task's own."""
        own = self._schemes(None)[metric]
        others = {scheme for language in languages if (scheme := self._schemes(language)[metric]) != own}
        named = sorted("{normaliser} by {unit}".format(**error_rate_metric(scheme).recipe) for scheme in others)
        return {"other_languages": ", ".join(named)} if named else {}

    def _schemes(self, language: str | None) -> Mapping[str, Scheme]:
        """Return the schemes of a language by metric, those of the task's own for a sample that says none."""
        if language not in self._schemes_of:
            self._schemes_of[language] = {
                key: get_scheme(language or self.language, name) for key, name in self._scheme_names.items()
            }
        return self._schemes_of[language]

    def _language_of(self, sample: Sample) -> str:
        """Return the code to ask a sample with: the task's, unless the sample is in another language."""
        headline = next(iter(self.metrics))
        own, wanted = self._schemes(None)[headline], self._schemes(sample.language)[headline]
        return self.language if wanted == own else wanted.language

    def _score(self, sample: Sample, hypothesis: str) -> Score:
        """Count edit operations against the reference."""
        statistics: dict[str, Sequence[float]] = {}
        details: dict[str, str] = {}
        for key, scheme in self._schemes(sample.language).items():
            texts = [scheme.normalize(text) for text in (sample.references[0], hypothesis)]
            statistics[key] = self._count_errors(*(scheme.units(text) for text in texts))
            details = details or dict(zip(self.details, texts, strict=True))
        return Score(statistics, details)
