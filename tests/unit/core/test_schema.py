"""Specs of an older version are told apart, and what to edit in them is exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from contender.core import schema
from contender.core.edits import Moved, Renamed, edited
from contender.core.errors import SpecError
from contender.core.schema import Change, edits, version_of
from contender.core.settings import CHECKOUT
from contender.core.spec import ModelSpec
from contender.scaffold.render import declared_in
from tests.unit.core.test_spec import _spec as spec

# `dags/flight_delay/dag.py` as it stood at these commits, before specs had a version.
OLD = {path.stem: path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "specs").glob("*.txt")}
WRITTEN = sorted((CHECKOUT / "dags").glob("**/dag.py"))
SECOND = schema.CHANGES[:1]
NEXT = (
    *schema.CHANGES,
    Change(
        schema.VERSION + 1, "tables say `at`", (Renamed("Table", "time_column", "at"), Renamed("View", "name", "stem"))
    ),
)
TWO_OF_A_LINE = f"""from contender.core.spec import ModelSpec, Table
SPEC = ModelSpec(schema_version={schema.VERSION},
    tables=(Table(name="ä", time_column=None), Table(name="b", time_column="t")))
"""


def test_changes_are_numbered_one_after_the_other_from_the_second_on() -> None:
    assert [change.version for change in schema.CHANGES] == list(range(schema.FIRST + 1, schema.VERSION + 1))


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.parent.name)
def test_specs_of_this_checkout_are_of_the_newest_version(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert version_of(text) == schema.VERSION
    assert edits(text) == ()


def test_edits_of_the_spec_before_versions_add_the_version_alone() -> None:
    old = OLD["flight_delay_813db9d"]
    (edit,) = edits(old, SECOND)
    assert (edit.line, str(edit)) == (27, "before line 27 put `schema_version=2,`")
    assert edited(old, [edit]) == old.replace("ModelSpec(\n", "ModelSpec(\n    schema_version=2,\n", 1)
    assert declared_in(edited(old, edits(old))).schema_version == schema.VERSION


def test_edits_of_the_oldest_spec_move_the_import_and_name_three_dags() -> None:
    old = OLD["flight_delay_73355a4"]
    found = edits(old, SECOND)
    assert [edit.line for edit in found] == [20, 24, 83]
    assert found[0].after == (
        "from contender.core.policy import GatePolicy\n"
        "from contender.core.spec import Column, ModelSpec, Table, Tuning, View, Windows"
    )
    assert str(found[2]) == (
        "line 83: `train, score = model_dags(SPEC, doc=__doc__)` → "
        "`train, score, deploy = model_dags(SPEC, doc=__doc__)`"
    )
    assert edits(edited(old, found), SECOND) == ()
    assert declared_in(edited(old, edits(old))).schema_version == schema.VERSION


def test_edits_of_a_next_version_rename_every_place_and_leave_the_rest() -> None:
    new = edited(TWO_OF_A_LINE, edits(TWO_OF_A_LINE, NEXT))
    raised = TWO_OF_A_LINE.replace(f"schema_version={schema.VERSION}", f"schema_version={NEXT[-1].version}")
    assert new == raised.replace("time_column=", "at=")
    assert edits(new, NEXT) == ()


def test_edits_of_two_versions_are_made_at_once() -> None:
    new = edited(OLD["flight_delay_73355a4"], edits(OLD["flight_delay_73355a4"], NEXT))
    assert f"schema_version={NEXT[-1].version},\n" in new
    assert "time_column" not in new
    assert 'View(stem="origin_weather", max_age_hours=48)' in new
    assert "train, score, deploy =" in new


def test_moved_import_of_one_name_alone_is_replaced() -> None:
    text = "from a.b import Thing\nSPEC = ModelSpec(schema_version=2)\n"
    assert edited(text, edits(text, (Change(3, "moved", (Moved("Thing", "a.b", "a.c"),)),))).startswith(
        "from a.c import Thing\n"
    )


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param("SPEC = ModelSpec(name='x')", 1, id="none"),
        pytest.param("SPEC = spec.ModelSpec(schema_version=7)", 7, id="named"),
        pytest.param("SPEC = ModelSpec(schema_version=VERSION)", None, id="not-written-down"),
        pytest.param("SPEC = ModelSpec(schema_version=True)", None, id="no-number"),
        pytest.param("SPEC = ModelSpec(**facts)", None, id="in-a-mapping"),
        pytest.param("SPEC = ModelSpec(schema_version=2, **facts)", 2, id="beside-a-mapping"),
        pytest.param("A, B = ModelSpec(schema_version=2), ModelSpec(name='b')", 1, id="oldest-of-several"),
        pytest.param("dag = DAG('x')", None, id="no-spec"),
    ],
)
def test_version_of_a_source(text: str, version: int | None) -> None:
    assert version_of(text) == version


def test_spec_without_a_version_is_of_the_first() -> None:
    facts = {name: value for name, value in dict(spec()).items() if name != "schema_version"}
    with pytest.raises(SpecError) as caught:
        ModelSpec(**facts)
    assert caught.value.got == "schema_version=1, as of specs that name none"
    assert f"schema_version={schema.VERSION}" in caught.value.next_step


def test_spec_of_a_newer_version_is_refused_and_the_platform_named() -> None:
    with pytest.raises(SpecError, match="of a newer version than the platform") as caught:
        spec(schema_version=schema.VERSION + 1)
    assert "bring the platform up to that version" in caught.value.next_step


@pytest.mark.parametrize("version", ["2", True, 2.0, None], ids=repr)
def test_spec_whose_version_is_no_number_is_refused_by_its_type(version: object) -> None:
    with pytest.raises(SpecError, match="should be a valid integer") as caught:
        spec(schema_version=version)
    assert caught.value.where == "schema_version"
