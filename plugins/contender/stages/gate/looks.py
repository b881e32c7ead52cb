"""How repeated looks at one holdout spend `alpha`.

Whoever trains a month again with other features, trials or seeds gets another chance to pass on the same rows, and
picks what to try next after seeing how the last one did: reused like this a holdout no longer tests (Dwork et al.
2015, "The reusable holdout", Science 349). As in a trial with interim analyses, each look may spend only a part of
`alpha`, and the parts add up to it (Lan & DeMets 1983, "Discrete sequential boundaries for clinical trials",
Biometrika 70). How many looks there will be is not known beforehand, so the parts form an endless series, each test
judged at its own part whatever the others found: alpha spending, the online form of Bonferroni's correction (Foster &
Stine 2008, "α-investing", JRSS B 70, who begin from it; Robertson, Wason & Ramdas 2023, "Online multiple hypothesis
testing", Statistical Science 38, review it and what came after). It needs nothing of how the looks depend on each
other, and theirs do: they share the rows.

Look k gets an interval at `alpha / 2^(k-1)`, whose lower end alone promotes: where the two models are equal and the
interval errs no more on the promoting side than on the other, it lies above 0 with a chance of at most `alpha / 2^k`.
All looks that share a moment of time are numbered at least in their order (see `contender.core.decisions.look`; those
at a model beside itself aside, which cannot pass), so together they promote one falsely with a chance of at most
`alpha/2 · (1 + 1/2 + 1/4 + …) = alpha`, however many there are. A symmetric interval of a skewed difference may put
all of its error on one side: then the chance is at most 2 `alpha`, where it holds the truth as often as it claims.
The first look keeps the whole interval, as it would have without this. Halving is steep: rules with a heavier
tail (e.g. those of Javanmard & Montanari 2018, "Online rules for control of false discovery rate and false discovery
exceedance", Annals of Statistics 46) give the tenth look more and the first less, and here the tenth look at one month
is not what deserves it. What others spend on discoveries already made to earn more looks (α-investing) is not done: it
controls the share of false promotions, not the chance of one.
"""

from __future__ import annotations

from math import floor

from contender.core.policy import FEWEST_BEYOND


def alpha_at(alpha: float, look: int) -> float:
    """One minus the confidence of the interval at a look.

    Args:
        alpha: That of the first look, between 0 and 1.
        look: The look's number, from 1 on.

    Raises:
        ValueError: There is no such look.

    Example:
        >>> [alpha_at(0.05, look) for look in (1, 2, 3)]
        [0.05, 0.025, 0.0125]
    """
    if look < 1:
        raise ValueError(f"looks are counted from 1 on, not {look}")
    return alpha * 2.0 ** (1 - look)


def used_up(alpha: float, look: int, resamples: int) -> str:
    """Say why this look can have no interval on this holdout any more, or return the empty string.

    The interval is symmetric, so all of `alpha` lies beyond the one quantile that its reach is taken from.

    Args:
        alpha: One minus the confidence at the first look.
        look: The look's number, from 1 on.
        resamples: Bootstrap resamples behind the interval.
    """
    left = alpha_at(alpha, look)
    beyond = floor(resamples * left)
    if beyond >= FEWEST_BEYOND:
        return ""
    return (
        f"this holdout is used up: look {look} leaves alpha {left:.3g}, and of {resamples} resamples only {beyond} lie "
        f"beyond such an interval, at least {FEWEST_BEYOND} are needed; wait for a new window"
    )
