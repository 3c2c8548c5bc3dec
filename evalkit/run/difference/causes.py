"""What can make the figures of two runs differ, as types: causes with what differs, and how much each explains."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, get_args

Kind = Literal[
    "samples",
    "references",
    "recordings",
    "facts",
    "members",
    "scoring",
    "prompt",
    "decoding",
    "request",
    "model",
    "failures",
    "evalkit",
    "chance",
    "software",
    "hardware",
    "execution",
    "unexplained",
    "empty",
    "intervals",
]
"""What a cause is about, the likeliest first where the size of the effects does not tell."""

UNDER_TEST = "model"
"""The role of the model under test."""

_ORDER: Sequence[Kind] = get_args(Kind)
_TITLES: dict[Kind, str] = {
    "samples": "Other samples",
    "references": "Other references",
    "recordings": "Other recordings",
    "facts": "Other facts about the samples",
    "members": "Other members of an average",
    "scoring": "Scoring",
    "prompt": "Prompt",
    "decoding": "Decoding",
    "request": "Request",
    "model": "Model",
    "failures": "Failures",
    "evalkit": "Version of evalkit",
    "chance": "Sampled answers",
    "software": "Software",
    "hardware": "Hardware",
    "execution": "Execution",
    "unexplained": "Unexplained",
    "empty": "Empty answers",
    "intervals": "Intervals",
}


class CauseKey(NamedTuple):
    """By which causes are told apart.

    Attributes:
        kind: what it is about.
        role: of the model that it is about; empty if it is about none.
    """

    kind: Kind
    role: str = ""

    @property
    def title(self) -> str:
        """What people call it."""
        return _TITLES[self.kind] + (f" ({self.role})" if self.role not in ("", UNDER_TEST) else "")

    @property
    def prior(self) -> tuple[int, bool, str]:
        """Its place among causes whose effects do not tell which is the likelier; models that help stand before."""
        under_test = self.kind == "model" and self.role == UNDER_TEST
        return _ORDER.index("failures" if under_test else self.kind), under_test, self.role


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs.

    Attributes:
        what: a setting by its dotted name, a field of a recipe, a package, or a count.
        base: what it is in the base run, as text; None where the base run does not have it.
        new: likewise in the new run.
    """

    what: str
    base: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Example:
    """One sample in which a cause can be seen.

    Attributes:
        task: name of its task.
        sample_id: the sample.
        base: what is of interest of it in the base run, such as the prompt as it was asked.
        new: likewise in the new run.
    """

    task: str
    sample_id: str
    base: str
    new: str


@dataclass(frozen=True, slots=True)
class Effect:
    """How much of a figure's difference a cause explains, in the unit of the figure.

    The effects on a figure sum to its difference, where one that several causes share counts once.

    Attributes:
        figure: name of the task or average.
        metric: key of the metric.
        size: by how much the figure moves, from base to new, if this alone is changed.
        samples: how many samples move it.
        shared_with: the titles of other causes of the same effect, which cannot be told apart from this one.
        detail: how the size was found, in a sentence.
    """

    figure: str
    metric: str
    size: float
    samples: int
    shared_with: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why figures differ, or could.

    Attributes:
        kind: what it is about.
        role: of the model that it is about; empty if it is about none.
        title: what people call it.
        explanation: what was found, in a sentence or two.
        changes: what differs.
        effects: on the figures that it moves, or could move; empty where no size can be told.
        examples: samples in which it can be seen.
        tasks: names of the tasks that it concerns.
    """

    kind: Kind
    role: str
    title: str
    explanation: str
    changes: tuple[Change, ...] = ()
    effects: tuple[Effect, ...] = ()
    examples: tuple[Example, ...] = ()
    tasks: tuple[str, ...] = ()

    @property
    def effective(self) -> bool:
        """Whether it is known to move a figure."""
        return any(effect.size for effect in self.effects)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of both runs: a metric of a task, or an average.

    Attributes:
        name: of the task or average.
        metric: key of the metric.
        title: of the task or average.
        label: the metric's name.
        unit: printed behind its values; empty for points.
        decimals: with how many they are printed.
        base: the base run's value; None where it is undefined.
        new: the new run's value.
        difference: new minus base.
        shared: how many samples count in both runs.
        differing: how many of these have answers that differ, by whomever.
        remark: what could not be found out about it; may be empty.
    """

    name: str
    metric: str
    title: str
    label: str
    unit: str
    decimals: int
    base: float | None
    new: float | None
    difference: float | None
    shared: int
    differing: int
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Harmless:
    """Something that differs and can move no figure of these runs.

    Attributes:
        change: what differs.
        reason: why it can move none.
    """

    change: Change
    reason: str


@dataclass(frozen=True, slots=True)
class RunDifference:
    """Why the figures of two runs differ.

    Attributes:
        base: name of the run that is compared with.
        new: name of the other run.
        figures: of both runs.
        causes: the likeliest first.
        harmless: what differs and can move no figure.
        remarks: what else has to be said, such as that a run has no provenance.
    """

    base: str
    new: str
    figures: tuple[Figure, ...]
    causes: tuple[Cause, ...]
    harmless: tuple[Harmless, ...]
    remarks: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything differs that could move a figure or its interval."""
        return bool(self.causes)

    @property
    def likeliest(self) -> Cause | None:
        """The cause that explains most, or None if there is none."""
        return self.causes[0] if self.causes else None

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {**asdict(self), "differs": self.differs}

    def to_markdown(self) -> str:
        """Return what a person reads from top: the likeliest cause, the figures, and every cause with its effects."""
        from evalkit.run.difference.page import page

        return page(self)
