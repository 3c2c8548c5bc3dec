"""Causes while they are put together from what is found, task by task, and their order in the end."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from evalkit.run.difference.attribution import Step
from evalkit.run.difference.causes import Cause, CauseKey, Change, Effect, Example, Harmless

_MOST_EXAMPLES = 3


@dataclass(slots=True)
class Draft:
    """What was found about one cause so far."""

    changes: dict[Change, None] = field(default_factory=dict)
    sentences: dict[str, None] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    tasks: dict[str, None] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)


class Drafts:
    """All causes so far, and what was found to be harmless."""

    def __init__(self) -> None:
        self._drafts: dict[CauseKey, Draft] = {}
        self._harmless: dict[Harmless, None] = {}
        self._weights: defaultdict[CauseKey, float] = defaultdict(float)

    def __contains__(self, key: CauseKey) -> bool:
        return key in self._drafts

    def note(
        self,
        key: CauseKey,
        *,
        changes: Iterable[Change] = (),
        sentence: str = "",
        example: Example | None = None,
        task: str = "",
    ) -> None:
        """Note that a cause was found, or found again in another task.

        Args:
            key: of the cause.
            changes: what differs.
            sentence: what was found.
            example: a sample in which it can be seen.
            task: where it was found.
        """
        draft = self._drafts.setdefault(key, Draft())
        draft.changes.update(dict.fromkeys(changes))
        if sentence:
            draft.sentences[sentence] = None
        if example is not None and len(draft.examples) < _MOST_EXAMPLES:
            draft.examples.append(example)
        if task:
            draft.tasks[task] = None

    def harmless(self, change: Change, reason: str) -> None:
        """Note something that differs and moves no figure."""
        self._harmless[Harmless(change, reason)] = None

    def explain(self, figure: str, metric: str, steps: Sequence[Step]) -> None:
        """Note what each cause explains of a figure's difference."""
        whole = sum(abs(step.size) for step in steps)
        for step in steps:
            for key in step.keys:
                others = tuple(other.title for other in sorted(step.keys, key=lambda each: each.prior) if other != key)
                effect = Effect(figure, metric, step.size, step.samples, others, step.detail)
                self._drafts.setdefault(key, Draft()).effects.append(effect)
                self._weights[key] += abs(step.size) / whole if whole else 0.0

    def causes(self) -> tuple[Cause, ...]:
        """Return the causes, those that explain most first, and those that explain alike in the order of likelihood."""
        ordered = sorted(self._drafts, key=lambda key: (-round(self._weights[key], 9), key.prior))
        return tuple(
            Cause(
                kind=key.kind,
                role=key.role,
                title=key.title,
                explanation=" ".join(draft.sentences),
                changes=tuple(draft.changes),
                effects=tuple(draft.effects),
                examples=tuple(draft.examples),
                tasks=tuple(draft.tasks),
            )
            for key in ordered
            for draft in [self._drafts[key]]
        )

    def all_harmless(self) -> tuple[Harmless, ...]:
        """Return what differs and moves no figure."""
        return tuple(self._harmless)
