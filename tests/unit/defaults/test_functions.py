from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from contender.core.errors import SpecError
from contender.core.interval import Interval
from contender.stages.defaults.functions import functions_of
from tests.unit.defaults.test_panel import forecast
from tests.unit.defaults.test_panel import rows as sales
from tests.unit.defaults.test_tabular import rows, timed

JUNE = Interval.parse("2013-06")


def module(**functions: Any) -> ModuleType:
    made = ModuleType("model")
    given = {"estimator": lambda: None, "search_space": dict, "read": lambda table, source="": None}
    for name, function in (given | functions).items():
        if function is not None:
            setattr(made, name, function)
    return made


def test_functions_that_a_model_lacks_are_the_platform_s() -> None:
    found = functions_of(module(), timed())
    assert len(found.examples({"churn": rows()}, JUNE, known_by=JUNE)) == 60
    assert list(found.features({"churn": rows()}, JUNE)) == ["churn_features"]
    february = Interval.parse("2013-02")
    assert list(functions_of(module(), forecast()).features({"sales": sales()}, february)) == ["sales_history"]


def test_functions_that_a_model_has_take_their_place() -> None:
    own = functions_of(module(examples=lambda tables, window, known_by: "mine"), timed())
    assert own.examples({}, JUNE, JUNE) == "mine"


def test_model_without_read_is_refused_where_a_table_without_a_source_is_read() -> None:
    found = functions_of(module(read=None), timed())
    with pytest.raises(SpecError, match="the model lacks read, and table 'churn' has no source"):
        found.read("churn", "")


@pytest.mark.parametrize("name", ["estimator", "search_space"])
def test_model_without_a_function_that_nothing_replaces_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match=f"the model lacks {name}"):
        functions_of(module(**{name: None}), timed())
