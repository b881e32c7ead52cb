from __future__ import annotations

import pytest
from pydantic import Field, ValidationError

from contender.core.declared import Declared
from contender.core.errors import SpecError


class Inner(Declared):
    size: int = Field(ge=1)


class Outer(Declared):
    title: str
    inner: Inner = Inner(size=1)


def test_declared_with_a_misspelt_field_says_which_was_meant() -> None:
    with pytest.raises(SpecError, match="expected: 'title', or one of title, inner; got: unknown field 'titel'"):
        Outer(titel="a")  # type: ignore[call-arg]


def test_declared_with_a_strange_field_lists_the_known_ones() -> None:
    with pytest.raises(SpecError, match="where: zzz; expected: one of title, inner; got: unknown field 'zzz'"):
        Outer(title="a", zzz=1)  # type: ignore[call-arg]


def test_declared_with_a_missing_field_names_it() -> None:
    with pytest.raises(SpecError) as caught:
        Outer()  # type: ignore[call-arg]
    assert caught.value.where == "title"
    assert isinstance(caught.value.__cause__, ValidationError)


def test_declared_with_a_wrong_nested_value_names_the_inner_declaration() -> None:
    with pytest.raises(SpecError, match="Inner cannot be declared like this") as caught:
        Outer(title="a", inner={"size": 0})
    assert (caught.value.where, caught.value.got) == ("size", "0")


def test_declared_with_a_long_wrong_value_shortens_it() -> None:
    with pytest.raises(SpecError) as caught:
        Inner(size="x" * 500)
    assert len(caught.value.got) == 80
    assert caught.value.got.endswith("...")


def test_declared_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Inner(size=1).size = 2  # type: ignore[misc]
