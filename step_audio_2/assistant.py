"""Answer conversations with a checkpoint and its tokenizer: many at a time, or one as a stream."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, get_args

from transformers import StoppingCriteriaList

from step_audio_2.answers import Answer, AnswerEvent, AnswerStream, split_answer
from step_audio_2.chat import (
    SPEECH_ANSWER,
    TEXT_ANSWER,
    THOUGHT,
    THOUGHT_STOP_STRING,
    Message,
    Part,
    Prompt,
    Question,
    answer_after_thought,
    render,
    render_base,
)
from step_audio_2.checkpoint import checkpoint_folder
from step_audio_2.continuous import Chain, Continuation, RunningBatch, run_each
from step_audio_2.generation import batch, new_tokens, stop_criterion, stream
from step_audio_2.model import StepAudio2ForCausalLM
from step_audio_2.sampling import MOST_NEW_TOKENS as MOST_NEW_TOKENS
from step_audio_2.sampling import Decoding
from step_audio_2.special_tokens import SpecialTokens, load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Kind = Literal["chat", "base", "think"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Event = TypeVar("Event")

_CACHE_STEP = 512


@dataclass(frozen=True, slots=True)
class Thought:
    """What the Think model wrote before it answers; no part of the answer, nor of the history.

    Attributes:
        text: the thought.
        tokens: how many it took; 0 where nobody counts them.
        seconds: how long; 0 where nobody knows.
    """

    text: str
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and what it took.

    Attributes:
        answer: without any thought before it.
        thought: what the Think model wrote before it answered; empty for the others.
        input_tokens: how many were read; for the Think model, in both of its prompts.
        output_tokens: how many were generated, stop tokens included.
        audio_tokens: how many of the input tokens stand for audio.
    """

    answer: Answer
    thought: str
    input_tokens: int
    output_tokens: int
    audio_tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question among others that are answered side by side, each in its own way.

    Attributes:
        question: answered once for each of its seeds.
        decoding: how.
        cancelled: once it is set, from whatever thread, its answers end where they are.
    """

    question: Question
    decoding: Decoding
    cancelled: Flag | None = None


@dataclass(frozen=True, slots=True)
class _Generated:
    prompt: Prompt
    ids: list[int]


def collect(events: Generator[Event, None, Reply], take: Callable[[Event], object]) -> Reply:
    """Read a stream to its end.

    Args:
        events: of ``Assistant.stream`` or ``step_audio_2.speaking.speak``.
        take: given each event as it comes.

    Returns:
        The whole answer.
    """
    while True:
        try:
            take(next(events))
        except StopIteration as end:
            reply: Reply = end.value
            return reply


class Assistant:
    """A Step-Audio 2 model and its tokenizer, which answer conversations.

    Args:
        model: the network, on its device.
        tokenizer: of the same checkpoint.
        kind: ``chat`` for mini; ``base`` for mini Base, which knows no roles and stops at the end of text; ``think``
            for mini Think, which is asked twice: for a thought, and for the answer that follows it.
        special_tokens_in_text: see ``step_audio_2.chat.render``; off, so that no text can end a turn.
        static_cache: keep keys and values in a cache of fixed size; on CUDA decoding is then compiled.

    Raises:
        CheckpointError: the tokenizer lacks a special token, or has it under another id.
    """

    def __init__(
        self,
        model: StepAudio2ForCausalLM,
        tokenizer: "PreTrainedTokenizerFast",
        kind: Kind = "chat",
        *,
        special_tokens_in_text: bool = False,
        static_cache: bool = False,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.special = SpecialTokens.of(tokenizer)
        self.stop_tokens = [self.special.end_of_text if kind == "base" else self.special.end_of_turn]
        self.kind = kind
        self._special_tokens_in_text = special_tokens_in_text
        self._static_cache = static_cache

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        kind: Kind = "chat",
        *,
        special_tokens_in_text: bool = False,
        static_cache: bool = False,
        **options: Any,
    ) -> Self:
        """Load a checkpoint folder, or a repository of the hub.

        Args:
            name_or_path: a folder, or the name of a repository on the Hugging Face hub.
            kind: ``chat``, ``base`` or ``think``; see the class.
            special_tokens_in_text: True reads special strings in a text as special tokens; see ``chat.render``.
            static_cache: keep keys and values in a cache of fixed size; on CUDA decoding is then compiled.
            **options: those of ``StepAudio2ForCausalLM.from_pretrained``, such as ``dtype`` and ``device_map``.

        Raises:
            CheckpointError: something is missing or does not fit; the message names it.
        """
        folder = checkpoint_folder(str(name_or_path))
        tokenizer = load_tokenizer(folder)  # first, as it takes no time to find that it is wrong
        SpecialTokens.of(tokenizer)
        model = StepAudio2ForCausalLM.from_pretrained(folder, **options)
        return cls(model, tokenizer, kind, special_tokens_in_text=special_tokens_in_text, static_cache=static_cache)

    @property
    def longest_prompt(self) -> int:
        """The most tokens of a prompt that leave room for at least one more."""
        length: int = self.model.config.text_config.max_position_embeddings
        return length - 1

    def prompt(self, question: Question, last: Message | None = None) -> Prompt:
        """Build the prompt that the model reads for a question.

        Args:
            question: the conversation.
            last: the open message at its end; None for the one that the question asks for.

        Raises:
            ValueError: it is empty, or longer than the model can read.
        """
        if self.kind == "base":
            parts: list[Part] = []
            for message in question.messages:
                content = message.content
                parts += [content] if isinstance(content, str) else (content or ())
            opening = ["<tts_start>"] if question.spoken else []
            prompt = render_base(
                [*parts, *opening], self.tokenizer, special_tokens_in_text=self._special_tokens_in_text
            )
        else:
            last = last or (SPEECH_ANSWER if question.spoken else TEXT_ANSWER)
            prompt = render(
                [*question.messages, last],
                self.tokenizer,
                self.special,
                special_tokens_in_text=self._special_tokens_in_text,
            )
        if not prompt.input_ids:
            raise ValueError("the prompt is empty: there is nothing for the model to go on from")
        if len(prompt.input_ids) > self.longest_prompt:
            raise ValueError(
                f"the prompt has {len(prompt.input_ids)} tokens; {self.longest_prompt} is the most that the model reads"
            )
        return prompt

    def answer(
        self, questions: Sequence[Question], *, max_new_tokens: int = MOST_NEW_TOKENS, **settings: Any
    ) -> list[list[Reply]]:
        """Answer questions together; none is influenced by the others.

        Args:
            questions: of one batch.
            max_new_tokens: where an answer, or a thought, is cut.
            **settings: of ``StepAudio2ForCausalLM.generate``.

        Returns:
            For each question as many replies as it has seeds.

        Raises:
            ValueError: a question is too long, or a setting cannot be.
        """
        if not questions:
            return []
        settings["max_new_tokens"] = max_new_tokens
        rows = [(question, seed) for question in questions for seed in question.seeds]
        if self.kind != "think":
            prompts = {id(question): self.prompt(question) for question in questions}
            generated = self._generate([prompts[id(question)] for question, _ in rows], rows, settings)
            replies = [self._reply(question, (step,)) for (question, _), step in zip(rows, generated, strict=True)]
        else:
            replies = self._answer_after_thinking(rows, settings)
        remaining = iter(replies)
        return [[next(remaining) for _ in question.seeds] for question in questions]

    def answer_each(
        self, asked: Iterable[Asked], slots: int = 8
    ) -> Generator[tuple[int, list[Reply] | ValueError], None, None]:
        """Answer questions side by side, each as soon as it is done; the next is pulled when there is room for it.

        The tokens are those that ``answer`` gives each question alone. A beam search is for ``answer``.

        Args:
            asked: as many as there are.
            slots: the most answers that are generated at once.

        Yields:
            The position of a question in the order of pulling, and as many replies as it has seeds, or why it cannot
            be answered.

        Raises:
            Exception: what the model raises, as when memory runs out; the questions under way are lost.
        """
        pending: dict[int, tuple[int, dict[int, Reply | ValueError]]] = {}

        def chains() -> Iterator[tuple[tuple[int, int], Chain[Reply]]]:
            for position, each in enumerate(asked):
                pending[position] = (len(each.question.seeds), {})
                for number, seed in enumerate(each.question.seeds):
                    yield (position, number), self._chain(each, seed)

        running = RunningBatch(self.model, self.tokenizer, self.stop_tokens, slots)
        with closing(run_each(running, chains())) as finished:
            for (position, number), outcome in finished:
                wanted, outcomes = pending[position]
                outcomes[number] = outcome
                if len(outcomes) == wanted:
                    del pending[position]
                    yield position, _replies([outcomes[number] for number in range(wanted)])

    def token_count(self, messages: Sequence[Message]) -> int:
        """Count the tokens that messages take in a prompt."""
        return len(
            render(
                messages, self.tokenizer, self.special, special_tokens_in_text=self._special_tokens_in_text
            ).input_ids
        )

    def stream(
        self,
        question: Question,
        *,
        max_new_tokens: int = MOST_NEW_TOKENS,
        cancelled: Flag | None = None,
        **settings: Any,
    ) -> Generator[Thought | AnswerEvent, None, Reply]:
        """Answer one question, and give text, codes of speech and calls as soon as they are certain.

        The Think model's thought comes first, when it is over.

        Args:
            question: answered once, by its first seed.
            max_new_tokens: where the answer, or the thought before it, is cut.
            cancelled: once it is set, from whatever thread, the answer ends where it is.
            **settings: of ``StepAudio2ForCausalLM.generate``.

        Returns:
            The whole reply, once the stream has ended; see ``collect``.

        Raises:
            ValueError: see ``answer``; a beam search cannot be streamed.
        """
        cancelled = cancelled or Flag()
        last = None
        thoughts: list[_Generated] = []
        settings["max_new_tokens"] = max_new_tokens
        if self.kind == "think":
            started = time.perf_counter()
            prompt = self.prompt(question, THOUGHT)
            stopping = {**settings, "stop_strings": [THOUGHT_STOP_STRING]}
            thought = _Generated(prompt, list(self._tokens(prompt, question, stopping, cancelled)))
            yield Thought(self._thought(thought), len(thought.ids), time.perf_counter() - started)
            thoughts = [thought]
            last = self._after_thought(question, thought)
        prompt = self.prompt(question, last)
        ids: list[int] = []
        splitter = AnswerStream(
            self.tokenizer, spoken=question.spoken, tool_names=question.tool_names, stop_ids=self.stop_tokens
        )
        for token in self._tokens(prompt, question, settings, cancelled):
            ids.append(token)
            yield from splitter.push([token])
        yield from splitter.finish()
        return self._reply(question, [*thoughts, _Generated(prompt, ids)])

    def _chain(self, asked: Asked, seed: int) -> Chain[Reply]:
        """Want the tokens of the thought, where there is one, and those of the answer."""
        thoughts: list[_Generated] = []
        last = None
        if self.kind == "think":
            prompt = self.prompt(asked.question, THOUGHT)
            stopping = replace(asked.decoding, stop_strings=(THOUGHT_STOP_STRING,))
            thought = _Generated(prompt, (yield Continuation(prompt, stopping, seed, asked.cancelled)))
            thoughts = [thought]
            last = self._after_thought(asked.question, thought)
        prompt = self.prompt(asked.question, last)
        ids = yield Continuation(prompt, asked.decoding, seed, asked.cancelled)
        return self._reply(asked.question, [*thoughts, _Generated(prompt, ids)])

    def _tokens(self, prompt: Prompt, question: Question, settings: dict[str, Any], cancelled: Flag) -> Iterator[int]:
        if cancelled.is_set():
            return
        with closing(stream(self.model, **self._arguments([prompt], question.seeds[:1], settings))) as steps:
            for (token,) in steps:
                yield token
                if cancelled.is_set():
                    return

    def _generate(
        self, prompts: Sequence[Prompt], rows: Sequence[tuple[Question, int]], settings: dict[str, Any]
    ) -> list[_Generated]:
        arguments = self._arguments(prompts, [seed for _, seed in rows], settings)
        sequences = self.model.generate(**arguments)
        length = arguments["input_ids"].shape[1]
        padding = self.special.pad if "stop_strings" in settings else None
        tokens = new_tokens(sequences, length, self.stop_tokens, padding)
        return [_Generated(prompt, ids) for prompt, ids in zip(prompts, tokens, strict=True)]

    def _arguments(self, prompts: Sequence[Prompt], seeds: Sequence[int], settings: dict[str, Any]) -> dict[str, Any]:
        inputs = batch([prompt.input_ids for prompt in prompts], [prompt.mels for prompt in prompts], self.special.pad)
        device = self.model.get_input_embeddings().weight.device
        arguments: dict[str, Any] = {name: tensor.to(device) for name, tensor in inputs.items()}
        arguments |= {"do_sample": False, "eos_token_id": self.stop_tokens, "pad_token_id": self.special.pad}
        if self._static_cache:
            # In steps, since another length has the graph compiled anew.
            length = len(inputs["input_ids"][0]) + settings["max_new_tokens"]
            length = -(-length // _CACHE_STEP) * _CACHE_STEP
            arguments |= {"cache_implementation": "static", "max_cache_len": length}
        settings = dict(settings)
        if strings := settings.pop("stop_strings", None):
            criterion = stop_criterion(self.tokenizer, tuple(strings))
            arguments["stopping_criteria"] = StoppingCriteriaList([criterion])
        return {**arguments, "seeds": seeds, **settings}

    def _answer_after_thinking(self, rows: Sequence[tuple[Question, int]], settings: dict[str, Any]) -> list[Reply]:
        thoughts = self._think(rows, settings)
        last = [self._after_thought(question, thought) for (question, _), thought in zip(rows, thoughts, strict=True)]
        prompts = [self.prompt(question, message) for (question, _), message in zip(rows, last, strict=True)]
        answers = self._generate(prompts, rows, settings)
        return [self._reply(row[0], steps) for row, *steps in zip(rows, thoughts, answers, strict=True)]

    def _think(self, rows: Sequence[tuple[Question, int]], settings: dict[str, Any]) -> list[_Generated]:
        prompts = [self.prompt(question, THOUGHT) for question, _ in rows]
        return self._generate(prompts, rows, {**settings, "stop_strings": [THOUGHT_STOP_STRING]})

    def _after_thought(self, question: Question, thought: _Generated) -> Message:
        return answer_after_thought(self._thought(thought), spoken=question.spoken)

    def _thought(self, thought: _Generated) -> str:
        return split_answer(thought.ids, self.tokenizer, spoken=False, stop_ids=self.stop_tokens).content

    def _reply(self, question: Question, steps: Sequence[_Generated]) -> Reply:
        answer = split_answer(
            steps[-1].ids,
            self.tokenizer,
            spoken=question.spoken,
            tool_names=question.tool_names,
            stop_ids=self.stop_tokens,
        )
        return Reply(
            answer=answer,
            thought=self._thought(steps[0]) if len(steps) > 1 else "",
            input_tokens=sum(len(step.prompt.input_ids) for step in steps),
            output_tokens=sum(len(step.ids) for step in steps),
            audio_tokens=sum(step.prompt.input_ids.count(self.special.audio_patch) for step in steps),
        )


def _replies(outcomes: Sequence[Reply | ValueError]) -> list[Reply] | ValueError:
    """Return the replies, or the first error among them."""
    error = next((outcome for outcome in outcomes if isinstance(outcome, ValueError)), None)
    return error or [outcome for outcome in outcomes if isinstance(outcome, Reply)]
