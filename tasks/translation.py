"""Speech translation: into text, scored by BLEU (CoVoST 2), and into speech, scored by ASR-BLEU (CVSS).

CoVoST 2: Wang et al., "CoVoST 2 and massively multilingual speech-to-text translation", Interspeech 2021. CVSS: Jia et
al., "CVSS corpus and massively multilingual speech-to-speech translation", LREC 2022. The published tables are those of
the Step-Audio 2 report (arXiv 2507.16632), which says BLEU and ASR-BLEU and no more; what it leaves open is an option
here, and part of a figure's recipe.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Unpack

from evalkit.audio import Audio
from evalkit.chain import CallFailed, Chain, Score
from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.metrics.bleu import bleu_metric, count_ngrams
from evalkit.metrics.bleu_schemes import BleuScheme, bleu_scheme_names, get_bleu_scheme
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.metric import Metric
from evalkit.task import CommonSettings, DatasetTask
from evalkit.types import Call, Request, Sample
from tasks.steps import AnswerMode, transcript

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
_FIELDS = ("target_language", "target_language_in_chinese")
_MEASURING_RATE = 16_000


class SpeechToTextTranslation(DatasetTask):
    """Translate what is said into written text of another language.

    Args:
        source_language: spoken in the recordings, for samples that do not say theirs.
        target_language: translated into; decides sacreBLEU's tokenizer.
        schemes: what is done to texts before BLEU, see ``get_bleu_scheme``; the first gives the headline figure.
        tokenizer: another of sacreBLEU's tokenizers, such as ``char``, which the CoVoST 2 paper took for Chinese.
        reading: what the published protocol leaves open and options of the data set decide; part of the recipe.
        recipe: what else a figure's comparability depends on.
        **common: see ``DatasetTask``. The data set yields samples with one recording and one reference translation
            each; the kind of question is ``translation``, with the fields ``{target_language}`` ("Chinese") and
            ``{target_language_in_chinese}`` ("中文").

    Raises:
        ConfigurationError: no scheme is named, one is unknown, or prompts have no name for the target language.
    """

    details: Sequence[str] = ("reference_normalised", "hypothesis_normalised")
    _metric: ClassVar[str] = "BLEU"
    _kind: ClassVar[str] = "translation"
    _output: ClassVar[AnswerMode] = "text"

    def __init__(
        self,
        *,
        source_language: str,
        target_language: str,
        schemes: Sequence[str] = ("raw",),
        tokenizer: str | None = None,
        reading: Mapping[str, str] | None = None,
        recipe: Mapping[str, str] | None = None,
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(**common)
        names = [schemes] if isinstance(schemes, str) else schemes
        if not names:
            raise ConfigurationError(f"task {self.name}: schemes is empty; name at least one, such as [raw]")
        if target_language not in _LANGUAGE_NAMES:
            raise ConfigurationError(
                f"task {self.name}: prompts have no name for the language {target_language!r}"
                f"{hint(target_language, _LANGUAGE_NAMES)} (they have for {', '.join(_LANGUAGE_NAMES)})"
            )
        self.source_language = source_language
        self.target_language = target_language
        self._reading = dict(reading or {})
        self._prompt = self._prompts.of(self._kind, fields=_FIELDS)
        self._schemes: dict[str, BleuScheme] = {}
        self.metrics: dict[str, Metric] = {}
        for scheme_name in names:
            scheme = get_bleu_scheme(target_language, scheme_name, tokenizer)
            key = self._metric.lower().replace("-", "_") + (f"_{scheme_name}" if self.metrics else "")
            self._schemes[key] = scheme
            self.metrics[key] = bleu_metric(scheme, self._metric, {**(recipe or {}), **self._reading})

    def chain(self, sample: Sample) -> Chain:
        """Ask the one question: what is this in the other language?"""
        response = yield Call("model", self._request(sample))
        return Score(*self._counted(sample, response.text))

    def unanswered(self, sample: Sample) -> Score:
        """Score no answer as an empty translation."""
        return Score(*self._counted(sample, ""))

    def answer_language(self, sample: Sample) -> str | None:  # noqa: ARG002 - all are translated into one
        """Return the language of the translation."""
        return self.target_language

    def known_schemes(self) -> Sequence[str]:
        """Return the schemes of the target language, those that it is scored with first."""
        own = (scheme.name for scheme in self._schemes.values())
        return tuple(dict.fromkeys((*own, *bleu_scheme_names(self.target_language))))

    def describe(self) -> Mapping[str, Any]:
        """Return source, licence and access of the test set, how it is read where that is open, and where from."""
        return {**self._facts, **self._reading, "read from": self._dataset.source}

    def _request(self, sample: Sample) -> Request:
        in_english, in_chinese = _LANGUAGE_NAMES[self.target_language]
        return self._prompt.request(
            sample.audio,
            language=sample.language or self.source_language,
            fields=dict(zip(_FIELDS, (in_english, in_chinese), strict=True)),
            output=self._output,
        )

    def _counted(self, sample: Sample, hypothesis: str) -> tuple[dict[str, Sequence[float]], dict[str, str]]:
        """Return n-gram matches with the reference under each scheme, and the two texts under the first."""
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
    hypothesis; how many there were is a figure of its own. So is speech that could not be transcribed, but it does not
    count as an empty answer.

    Args:
        schemes: see ``SpeechToTextTranslation``. By default Whisper's normaliser, as the punctuation of a transcript is
            the transcriber's and not the model's.
        silence_dbfs: speech whose loudest sample stays below this level, in decibels relative to full scale, is
            silent, whatever a transcriber makes of it; None to take the transcriber's word.
        **settings: the other arguments of ``SpeechToTextTranslation``; the kind of question is ``spoken_translation``.
    """

    details = (*SpeechToTextTranslation.details, "transcription", "speech")
    roles = ("model", "transcriber")
    _metric = "ASR-BLEU"
    _kind = "spoken_translation"
    _output = "speech"

    def __init__(
        self, *, schemes: Sequence[str] = ("whisper",), silence_dbfs: float | None = -60.0, **settings: Any
    ) -> None:
        silence = "as transcribed" if silence_dbfs is None else f"below {silence_dbfs:g} dBFS"
        recipe = {"silence": silence}
        super().__init__(schemes=schemes, recipe=recipe, **settings)
        self._silence_dbfs = silence_dbfs
        self._transcriber = self._prompts.of("asr", "transcriber")
        self.metrics["empty"] = mean_metric(
            "Empty answers", statistics=("empty", "samples"), recipe=recipe, higher_is_better=False
        )

    def chain(self, sample: Sample) -> Chain:
        """Ask for the translation, then, if anything was spoken, what the transcriber hears in it."""
        speech = (yield Call("model", self._request(sample))).speech
        if speech is None:
            return self.unanswered(sample)
        try:
            heard = yield from transcript(speech, self._transcriber, self.target_language)
        except CallFailed:
            return self._score(sample, "", "not transcribed")
        # Decoding takes time, and what was heard as nothing needs no further proof.
        silent = not heard.strip() or self._is_silent(speech)
        return self._score(sample, heard, "silent" if silent else "audible")

    def unanswered(self, sample: Sample) -> Score:
        """Score no speech as an empty translation."""
        return self._score(sample, "", "missing")

    def _score(self, sample: Sample, transcription: str, speech: str) -> Score:
        """Count n-gram matches of what was heard in the translation."""
        statistics, details = self._counted(sample, transcription if speech == "audible" else "")
        statistics["empty"] = (float(speech in ("missing", "silent")), 1)
        return Score(statistics, {**details, "transcription": transcription, "speech": speech})

    def _is_silent(self, speech: Audio) -> bool:
        if self._silence_dbfs is None:
            return False
        peak = float(abs(speech.waveform(_MEASURING_RATE)).max())
        speech.release()
        return peak < 10 ** (self._silence_dbfs / 20)
