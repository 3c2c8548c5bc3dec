"""Speech translation: into text, scored by BLEU (CoVoST 2), and into speech, scored by ASR-BLEU (CVSS).

CoVoST 2: Wang et al., "CoVoST 2 and massively multilingual speech-to-text translation", Interspeech 2021. CVSS: Jia et
al., "CVSS corpus and massively multilingual speech-to-speech translation", LREC 2022. The published tables are those of
the Step-Audio 2 report (arXiv 2507.16632), which says BLEU and ASR-BLEU and no more; what it leaves open is an option
here, and part of a figure's recipe.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from evalkit.audio import Audio
from evalkit.chain import Score
from evalkit.datasets import Dataset
from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.metrics.bleu import bleu_metric, count_ngrams
from evalkit.metrics.bleu_schemes import BleuScheme, get_bleu_scheme
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.metric import Metric
from evalkit.prompts import Prompt
from evalkit.task import DatasetTask
from evalkit.types import Call, Request, Response, Sample

# What prompts call a language: in English, and in Chinese.
_LANGUAGE_NAMES = {
    "ar": ("Arabic", "阿拉伯文"),
    "de": ("German", "德文"),
    "en": ("English", "英文"),
    "es": ("Spanish", "西班牙文"),
    "fr": ("French", "法文"),
    "ja": ("Japanese", "日文"),
    "zh": ("Chinese", "中文"),
}
_MEASURING_RATE = 16_000


class SpeechToTextTranslation(DatasetTask):
    """Translate what is said into written text of another language.

    Args:
        name: key of the task in configs and run folders.
        title: what people call the test set.
        source_language: spoken in the recordings.
        target_language: translated into; decides sacreBLEU's tokenizer.
        dataset: yields samples with one recording and one reference translation each.
        schemes: what is done to texts before BLEU, see ``get_bleu_scheme``; the first gives the headline figure.
        tokenizer: another of sacreBLEU's tokenizers, such as ``char``, which the CoVoST 2 paper took for Chinese.
        prompts: how the model under test wants to be asked, by kind of question; ``translation`` is used here. It may
            hold ``{target_language}`` ("Chinese") and ``{target_language_in_chinese}`` ("中文").
        reading: what the published protocol leaves open and options of the data set decide; part of the recipe.
        recipe: what else a figure's comparability depends on.
        table: where published tables show the test set.
        expected_samples: how many utterances the complete test set has.
        facts: source, licence, access and the like, for people.
    """

    details: Sequence[str] = ("reference_normalised", "hypothesis_normalised")
    _metric: ClassVar[str] = "BLEU"
    _kind: ClassVar[str] = "translation"

    def __init__(
        self,
        name: str,
        title: str,
        source_language: str,
        target_language: str,
        dataset: Dataset,
        schemes: Sequence[str] = ("raw",),
        tokenizer: str | None = None,
        prompts: Mapping[str, Any] | None = None,
        reading: Mapping[str, str] | None = None,
        recipe: Mapping[str, str] | None = None,
        table: Mapping[str, str] | None = None,
        expected_samples: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        names = [schemes] if isinstance(schemes, str) else schemes
        if not names:
            raise ConfigurationError(f"task {name}: schemes is empty; name at least one, such as [raw]")
        if target_language not in _LANGUAGE_NAMES:
            raise ConfigurationError(
                f"task {name}: prompts have no name for the language {target_language!r}"
                f"{hint(target_language, _LANGUAGE_NAMES)} (they have for {', '.join(_LANGUAGE_NAMES)})"
            )
        super().__init__(name, title, dataset, table=table, expected_samples=expected_samples, facts=facts)
        self.source_language = source_language
        self.target_language = target_language
        self._reading = dict(reading or {})
        self._prompt = Prompt.from_profile(prompts or {}, self._kind)
        self._schemes: dict[str, BleuScheme] = {}
        self.metrics: dict[str, Metric] = {}
        for scheme_name in names:
            scheme = get_bleu_scheme(target_language, scheme_name, tokenizer)
            key = self._metric.lower().replace("-", "_") + (f"_{scheme_name}" if self.metrics else "")
            self._schemes[key] = scheme
            self.metrics[key] = bleu_metric(scheme, self._metric, {**(recipe or {}), **self._reading})

    def next_call(self, sample: Sample, responses: Sequence[Response]) -> Call | None:
        """The one question: what is this in the other language?"""
        return None if responses else Call("model", self._question(sample))

    def score(self, sample: Sample, responses: Sequence[Response]) -> Score:
        """N-gram matches with the reference; no answer counts as an empty one."""
        return Score(*self._counted(sample, responses[0].text if responses else ""))

    def describe(self) -> Mapping[str, Any]:
        """Source, licence and access of the test set, how it is read where that is open, and where from."""
        return {**self._facts, **self._reading, "read from": self._dataset.source}

    def _question(self, sample: Sample, output: Literal["text", "speech"] = "text") -> Request:
        in_english, in_chinese = _LANGUAGE_NAMES[self.target_language]
        return self._prompt.request(
            sample.audio,
            language=self.source_language,
            fields={"target_language": in_english, "target_language_in_chinese": in_chinese},
            output=output,
            task=self.name,
            sample_id=sample.id,
        )

    def _counted(self, sample: Sample, hypothesis: str) -> tuple[dict[str, Sequence[float]], dict[str, str]]:
        """Statistics under each scheme, and the two texts under the first."""
        statistics: dict[str, Sequence[float]] = {}
        details: dict[str, str] = {}
        for key, scheme in self._schemes.items():
            reference, hypothesis_text = scheme.normalize(sample.references[0]), scheme.normalize(hypothesis)
            statistics[key] = count_ngrams(reference, hypothesis_text, scheme)
            if not details:
                details = {"reference_normalised": reference, "hypothesis_normalised": hypothesis_text}
        return statistics, details


class SpeechToSpeechTranslation(SpeechToTextTranslation):
    """Translate what is said into speech of another language, which a transcriber then writes down: ASR-BLEU.

    What the model itself writes beside its speech is never looked at. A missing or silent answer is an empty
    hypothesis; how many there were is a figure of its own.

    Args:
        schemes: see ``SpeechToTextTranslation``. By default Whisper's normaliser, as the punctuation of a transcript is
            the transcriber's and not the model's.
        silence_dbfs: speech whose loudest sample stays below this level, in decibels relative to full scale, is
            silent, whatever a transcriber makes of it; None to take the transcriber's word.
        prompts: ``spoken_translation`` for the model under test, ``transcriber`` for the one that writes it down.
        **settings: the other arguments of ``SpeechToTextTranslation``.
    """

    details = (*SpeechToTextTranslation.details, "transcription", "speech")
    roles = ("model", "transcriber")
    _metric = "ASR-BLEU"
    _kind = "spoken_translation"

    def __init__(
        self,
        *,
        schemes: Sequence[str] = ("whisper",),
        silence_dbfs: float | None = -60.0,
        prompts: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        silence = "as transcribed" if silence_dbfs is None else f"below {silence_dbfs:g} dBFS"
        recipe = {"silence": silence}
        super().__init__(schemes=schemes, prompts=prompts, recipe=recipe, **settings)
        self._silence_dbfs = silence_dbfs
        self._transcriber_prompt = Prompt.from_profile(prompts or {}, "transcriber")
        self.metrics["empty"] = mean_metric(
            "Empty answers", statistics=("empty", "samples"), recipe=recipe, higher_is_better=False
        )

    def next_call(self, sample: Sample, responses: Sequence[Response]) -> Call | None:
        """First the translation, then, if anything was spoken, what the transcriber hears in it."""
        if not responses:
            return Call("model", self._question(sample, output="speech"))
        speech = responses[0].speech
        if len(responses) > 1 or speech is None:
            return None
        request = self._transcriber_prompt.request(
            (speech,), language=self.target_language, task=self.name, sample_id=sample.id
        )
        return Call("transcriber", request)

    def score(self, sample: Sample, responses: Sequence[Response]) -> Score:
        """N-gram matches of what was heard in the spoken translation; no speech counts as an empty one."""
        transcription, speech = self._heard(responses)
        hypothesis = transcription if speech == "audible" else ""
        statistics, details = self._counted(sample, hypothesis)
        statistics["empty"] = (float(not hypothesis.strip()), 1)
        return Score(statistics, {**details, "transcription": transcription, "speech": speech})

    def _heard(self, responses: Sequence[Response]) -> tuple[str, str]:
        """The transcription, and whether there was anything to transcribe: audible, silent or missing."""
        if not responses or responses[0].speech is None:
            return "", "missing"
        transcription = responses[1].text
        # Decoding takes time, and what was heard as nothing needs no further proof.
        silent = not transcription.strip() or self._is_silent(responses[0].speech)
        return transcription, "silent" if silent else "audible"

    def _is_silent(self, speech: Audio) -> bool:
        if self._silence_dbfs is None:
            return False
        peak = float(abs(speech.waveform(_MEASURING_RATE)).max())
        speech.release()
        return peak < 10 ** (self._silence_dbfs / 20)
