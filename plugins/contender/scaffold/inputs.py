"""Which columns become inputs of the model, and why the others do not."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from contender.core.errors import ScaffoldRefused, some
from contender.scaffold.kinds import ColumnProfile
from contender.scaffold.profile import Profile


def usable(
    made: Profile, *, drop: Sequence[str] = (), keep: Sequence[str] = ()
) -> tuple[tuple[ColumnProfile, ...], dict[str, str]]:
    """The inputs, and of each other column the reason why it is none.

    Args:
        made: The profile.
        drop: Headers or names of columns that are left out.
        keep: Of columns that are used although something speaks against them.

    Raises:
        ScaffoldRefused: A column is suspected to tell the label and was neither kept nor dropped; none is left; or a
            name is none of the columns.
    """
    _require_known(made, [*drop, *keep])
    _require_spare(made, [*drop, *keep])
    taken, left, suspected = [], {}, []
    for one in made.columns:
        names = {one.name, one.header}
        if one.name in {made.label, made.time, *made.entity}:
            continue
        kept = bool(names & set(keep))
        why = _unfit(one, kept=kept)
        if names & set(drop):
            left[one.name] = f"dropped: {one.leak}" if one.leak else "dropped"
        elif one.leak and not kept and not (why and one.identifies):
            suspected.append(one)
        elif why:
            left[one.name] = why
        else:
            taken.append(one)
    if suspected:
        each = quote(",".join(one.header for one in suspected))
        raise ScaffoldRefused(
            "columns are suspected to tell the label",
            where=some((one.header for one in suspected), 20),
            expected="inputs that are known before the label is",
            got=some(f"{one.header}: {one.leak}" for one in suspected),
            next_step=f"leave them out with DROP={each}, or, if they are known in time, use them with KEEP={each}",
        )
    if not taken:
        raise ScaffoldRefused(
            "no column is left to predict from",
            where="DATA",
            expected="a number or a category beside the label",
            got=some(f"{name}: {why}" for name, why in left.items()),
            next_step="give a table with inputs, or use some with KEEP=<column>",
        )
    return tuple(taken), left


FIXED = {
    "empty": "it has no value",
    "constant": "it is the same in every row",
    "time": "a time is no input by itself: compute what matters of it in `features`",
}


def _unfit(one: ColumnProfile, *, kept: bool) -> str:
    """Why a column is no input, or empty."""
    if one.kind in FIXED:
        return FIXED[one.kind]
    against = {
        "free text: encode it in `features`, or KEEP it as a category": one.kind == "text",
        f"personal data: {one.personal}": bool(one.personal),
        "its texts look like times, of no form that all share: write them alike, or KEEP it as a category":
            one.disguised == "times",
        "it names the row; KEEP uses it": one.identifies and not _repeats(one),
        f"its name is that of a key, and it has {one.distinct} values; KEEP uses it": one.identifies,
    }  # fmt: skip
    return "" if kept else next((why for why, holds in against.items() if holds), "")


def _repeats(one: ColumnProfile) -> bool:
    """Whether a column that names something names it more than once, so that it cannot be the row."""
    return one.named and not one.unique


def _require_spare(made: Profile, asked: list[str]) -> None:
    roles = {made.label, made.time, *made.entity}
    needed = [one.header for one in made.columns if one.name in roles and {one.name, one.header} & set(asked)]
    if needed:
        raise ScaffoldRefused(
            "columns that the model needs are no inputs to choose from",
            where="DROP or KEEP",
            expected="columns other than LABEL, TIME and ENTITY",
            got=some(needed),
            next_step="leave them out of DROP and KEEP, or name another LABEL, TIME or ENTITY",
        )


def _require_known(made: Profile, asked: list[str]) -> None:
    known = {name for one in made.columns for name in (one.name, one.header)}
    if unknown := [name for name in asked if name not in known]:
        raise ScaffoldRefused(
            "there are no such columns",
            where="DROP or KEEP",
            expected=f"some of {some((one.header for one in made.columns), 20)}",
            got=some(unknown),
            next_step="name the columns as the data do",
        )
