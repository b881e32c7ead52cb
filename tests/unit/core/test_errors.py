from __future__ import annotations

import inspect
import pickle

import pytest

from contender.core import errors
from contender.core.errors import ContenderError, some

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ContenderError)]


@pytest.mark.parametrize("kind", KINDS)
def test_error_says_its_facts_and_survives_pickling(kind: type[ContenderError]) -> None:
    error = kind("it broke", where="here", expected=1, got=2, next_step="mend it")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is kind
    assert str(again) == "it broke; where: here; expected: 1; got: 2; next: mend it"
    assert (again.what, again.where, again.expected, again.got, again.next_step) == (
        *("it broke", "here", "1", "2"),
        "mend it",
    )


def test_error_leaves_out_facts_it_does_not_have() -> None:
    assert str(ContenderError("it broke", got=0)) == "it broke; got: 0"


@pytest.mark.parametrize("kind", KINDS)
def test_error_is_drawn_in_the_tree(kind: type[ContenderError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("items", "text"), [([], ""), ([1, 2], "1, 2"), (range(5), "0, 1, 2, 3, 4"), (range(7), "0, 1, 2, 3, 4 and 2 more")]
)
def test_some_counts_what_it_leaves_out(items: list[int], text: str) -> None:
    assert some(items) == text
