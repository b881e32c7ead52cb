"""What was guessed of a table, each in a sentence that says how to have it otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from shlex import quote

from contender.core.errors import some
from contender.core.policy import Task
from contender.scaffold.profile import Profile

IMBALANCED = 0.05


def guesses(made: Profile, task: Task, inputs: Collection[str]) -> list[str]:
    """One sentence for each guess or oddity.

    Args:
        made: What the data look like.
        task, inputs: What was declared of them: the task, and the columns that are inputs.
    """
    return [*_of_the_task(made, task), *_of_time_and_entity(made), *_of_columns(made, inputs)]


def _of_the_task(made: Profile, task: Task) -> Iterator[str]:
    if made.label and made.task == "binary":
        positive = made.classes[-1] if made.classes else "1"
        other = f"; say CLASSES={quote(','.join(reversed(made.classes)))} for the other" if made.classes else ""
        share = f"{made.shares[positive]:.1%} of the rows"
        yield f"task: binary; {made.label} is predicted to be {positive!r} ({share}){other}"
    elif made.label:
        of = f" of {some(made.classes, 6)}" if made.classes else ""
        yield f"task: {task}{of}, by the values of {made.label}; another FROM= asks for another task"
    if made.label and (missing := made.column(made.label).missing):
        yield (
            f"label: {missing:.1%} of the rows have no {made.label} (nothing, or a word as None, NA or null): they "
            "teach nothing, and the gate holds where less than gate.minimum_label_coverage have one"
        )
    if rare := [name for name, share in made.shares.items() if share < IMBALANCED]:
        yield (
            f"imbalance: {some(rare)} under {IMBALANCED:.0%} of the rows; the log loss still decides, look at the "
            "report's precision and recall before you trust a threshold"
        )


def _of_time_and_entity(made: Profile) -> Iterator[str]:
    times = [one.header for one in made.columns if one.kind == "time"]
    naming = [one for one in made.columns if one.identifies and one.name not in (made.label, made.time)]
    # What has fewest values comes first: a customer has several rows, an order number names each of them.
    names = [one.header for one in sorted(naming, key=lambda one: one.distinct)]
    if made.time is None and times:
        yield (
            f"time: {some(times)} may say when a row happened: say TIME={quote(times[0])} to split by it; without TIME "
            "rows are split by a hash of their key"
        )
    if not made.entity and names:
        yield f"entity: {some(names)} may name what a row is about: say ENTITY={quote(names[0])} to serve by it"


def _of_columns(made: Profile, inputs: Collection[str]) -> Iterator[str]:
    for one in made.columns:
        if one.personal and one.name in (*made.entity, made.time, made.label):
            yield f"{one.header}: {one.personal}; it is used as it is, in the lake and in the online store too"
        elif one.personal and one.name in inputs:
            yield f"{one.header}: {one.personal}; it is an input, DROP={quote(one.header)} omits it"
        elif one.personal:
            yield f"{one.header}: {one.personal}; left out, KEEP={quote(one.header)} uses it"
        if one.disguised == "numbers":
            yield f"{one.header}: its texts look like numbers; to be used so they need a point, and no signs or words"
        if one.high_cardinality and one.name in inputs:
            yield f"{one.header}: {one.distinct} categories, rare ones teach little; DROP={quote(one.header)} omits it"
        if one.time_format and one.name == made.time:
            yield f"{one.header}: times are read as {one.time_format}; change time_format in the spec's source"
        if one.also_time_format and one.name == made.time:
            yield (
                f"{one.header}: all its times fit {one.also_time_format} as well, month and day the other way round; "
                f"if that is how they are meant, set time_format={one.also_time_format!r} in the spec's source, and "
                "data_from and data_until with it"
            )
    if made.sampled:
        yield f"sample: ranges and categories are those of {made.rows:,} rows, spread over all {made.total:,}"
