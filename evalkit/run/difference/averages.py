"""Averages of two runs: what explains an average is the mean of what explains its members."""

from collections.abc import Mapping, Sequence

from evalkit.metrics.metric import mean_in_unit
from evalkit.results.task_result import Aggregate
from evalkit.run.difference.attribution import Keys, Step
from evalkit.run.difference.causes import CauseKey, Change, Figure
from evalkit.run.difference.drafts import Drafts
from evalkit.run.difference.tasks import ExplainedFigure, value_difference

_MEMBERS = CauseKey("members")


def explained_average(
    base: Aggregate, new: Aggregate, headlines: Mapping[str, ExplainedFigure], drafts: Drafts
) -> ExplainedFigure:
    """Find out what explains the difference of an average that both runs have.

    Args:
        base: as the base run has it.
        new: as the new run has it.
        headlines: the headline figures of the tasks that both runs have, by task.
        drafts: takes what is found.
    """
    in_both = [headlines[name] for name in base.members if name in new.members and name in headlines]
    explained = [each for each in in_both if each.figure.difference is not None]
    if set(base.members) != set(new.members):
        members = [", ".join(each.members) for each in (base, new)]
        drafts.note(_MEMBERS, changes=[Change(f"members of {base.title}", members[0], members[1])])
    remark = ""
    steps: Sequence[Step] = ()
    if not explained:
        remark = "it has no member in common"
    elif unknown := [each.figure.title for each in explained if each.figure.difference and not each.steps]:
        remark = f"what explains its member {unknown[0]} cannot be computed"
    else:
        steps = [*_of_members(base, new, explained), *_means(explained)]
    figure = Figure(
        name=base.name,
        metric="mean",
        title=base.title,
        label=base.metric.name,
        unit=base.metric.unit,
        decimals=base.metric.decimals,
        base=base.metric.value,
        new=new.metric.value,
        difference=value_difference(base.metric.value, new.metric.value),
        shared=sum(each.figure.shared for each in explained),
        differing=sum(each.figure.differing for each in explained),
        remark=remark,
    )
    return ExplainedFigure(figure, steps)


def _of_members(base: Aggregate, new: Aggregate, explained: Sequence[ExplainedFigure]) -> list[Step]:
    """Return what it makes that one of the runs alone has some members."""
    difference = value_difference(base.metric.value, new.metric.value)
    if difference is None or set(base.members) == set(new.members):
        return []
    size = difference - mean_in_unit([each.figure.difference or 0.0 for each in explained])
    samples = abs(base.samples.counted - new.samples.counted)
    return [Step(frozenset({_MEMBERS}), size, samples, f"over the {len(explained)} members of both")]


def _means(explained: Sequence[ExplainedFigure]) -> list[Step]:
    sums: dict[Keys, tuple[float, int]] = {}
    for each in explained:
        for step in each.steps:
            size, samples = sums.get(step.keys, (0.0, 0))
            sums[step.keys] = size + step.size, samples + step.samples
    return [Step(keys, size / len(explained), samples) for keys, (size, samples) in sums.items()]
