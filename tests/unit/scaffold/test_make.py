"""Whole models made of real tables, and everything that is refused on the way."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import create_engine

from contender.adapters.expectations import load_suite, validate
from contender.bench.tables import TABLES, diabetes, sales
from contender.core.errors import ContenderError, ScaffoldRefused, SourceUnreadable
from contender.core.interval import Interval
from contender.core.policy import GatePolicy
from contender.core.settings import CHECKOUT
from contender.core.spec import ModelSpec, Shares, Windows
from contender.scaffold.declare import widened
from contender.scaffold.make import Made, make
from contender.scaffold.request import Asked
from contender.stages import data
from tests.unit.scaffold.conftest import files_of
from tests.unit.scaffold.test_profile import customers

TODAY = datetime(2026, 11, 27, 12, tzinfo=UTC)


def made_of(root: Path, template: str, frame: pd.DataFrame, **asked: Any) -> Made:
    frame.to_csv(root / "data" / "rows.csv", index=False)
    given = {"name": "mine", "template": template, "data": str(root / "data" / "rows.csv")} | asked
    return make(Asked(**given), root, TODAY, lambda _: None)


def declared(root: Path, name: str = "mine") -> ModelSpec:
    """The spec as its file declares it, in a process that has seen nothing else."""
    code = f"import pickle, sys; from {name}.dag import SPEC; sys.stdout.buffer.write(pickle.dumps(SPEC))"
    path = ":".join([str(root), str(root / "dags"), *sys.path])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env={"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    import pickle

    return pickle.loads(done.stdout)  # type: ignore[no-any-return]  # noqa: S301  our own process's


@pytest.mark.parametrize(("template", "table"), TABLES.items(), ids=TABLES.keys())
def test_model_of_each_template_is_complete_readable_and_declares_what_was_made(
    root: Path, template: str, table: tuple[Any, dict[str, Any]]
) -> None:
    make_frame, asked = table
    made = made_of(root, template, make_frame(), **asked)
    entity = bool(asked.get("entity"))
    wanted = {f"expectations/mine/{stem}.json" for stem in ("mine", "training_set", "scoring_set", "predictions")}
    wanted |= {
        "dags/mine/dag.py",
        "dags/mine/model.py",
        "dags/mine/example_request.json",
        "tests/models/test_mine_model.py",
    }
    if entity:
        wanted |= {"dags/mine/request.py", "feature_repo/mine.py", "expectations/mine/mine_history.json"}
    assert files_of(root) == wanted == set(made.files)
    assert declared(root) == made.spec
    assert isinstance(made.spec.windows, Windows if entity else Shares)
    for path in (root / "expectations" / "mine").glob("*.json"):
        assert all(one.meta["reason"] for one in load_suite(path).expectations)
    text = "".join(made.files.values())
    assert not [word for word in ("TODO", "FIXME", "placeholder", template + "`") if word in text]


def test_model_s_files_keep_the_house_s_format(root: Path) -> None:
    made_of(root, "classification", customers(), label="churned", time="signed up", entity=("Customer ID",))
    made_of(root, "forecasting", sales(), name="sales", label="sold", time="day", entity=("shop",))
    require_house_format(root, "dags/mine", "dags/sales", "feature_repo", "tests")


def require_house_format(root: Path, *places: str) -> None:
    """Hold files of a checkout to what `make check` asks of this one's."""
    ruff = str(Path(sys.executable).parent / "ruff")
    config = str(CHECKOUT / "pyproject.toml")
    (root / "plugins").symlink_to(CHECKOUT / "plugins")  # by which it knows our own imports from others'
    for command in (["format", "--check"], ["check", "--ignore", "S108"]):
        done = subprocess.run(
            [ruff, *command, "--config", config, *places],
            capture_output=True, text=True, check=False, cwd=root,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


def test_model_with_time_and_entity_tells_what_it_guessed_in_its_spec(root: Path) -> None:
    made = made_of(root, "classification", customers(), label="churned", time="signed up", entity=("Customer ID",))
    text = made.files["dags/mine/dag.py"]
    assert made.spec.tables[0].key == ("customer_id", "signed_up")
    assert made.spec.tables[0].source is not None
    assert made.spec.tables[0].source.time_format == "%d.%m.%Y"
    assert [view.name for view in made.spec.views] == ["mine_features"]
    assert "# Left out: e_mail: personal data" in text
    assert "# Guessed: data_until: the rows reach" in text
    assert 'texts={"plan"}' in made.files["feature_repo/mine.py"]
    request = importlib.util.spec_from_file_location("mine_request", root / "dags" / "mine" / "request.py")
    assert request is not None
    assert request.loader is not None
    module = importlib.util.module_from_spec(request)
    sys.modules["mine_request"] = module  # where msgspec looks annotations up
    request.loader.exec_module(module)
    asked = module.Request(customer_id="c1", at=datetime(2013, 5, 1, tzinfo=UTC))
    assert module.resolve(asked) == (datetime(2013, 5, 1, tzinfo=UTC), {"customer_id": "c1"}, {})


def test_drafted_suite_passes_its_data_and_stops_other_data(root: Path) -> None:
    made = made_of(root, "regression", diabetes(), label="target")
    suite = load_suite(root / "expectations" / "mine" / "mine.json")
    frame = diabetes().set_axis([column.name for column in made.spec.columns] + ["target"], axis=1).astype("float64")
    month = data.bounds(Interval.parse("2026-11"), None)
    rows = frame.assign(row=range(len(frame)))
    assert validate(rows, suite, parameters=month).critical == ()
    for broken, said in (
        (rows.head(100), "table row count"),
        (rows.drop(columns="bmi"), "missing bmi"),
        (rows.assign(bmi=rows["bmi"] * 100), "bmi: column values to be between"),
        (rows.assign(row=1), "row: column values to be unique"),
        (rows.assign(bmi="heavy"), "bmi: column values to be of type"),
    ):
        assert said in "\n".join(validate(broken, suite, parameters=month).critical)


def test_model_of_a_query_names_its_connection_and_no_secret(
    root: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(postgres)
    diabetes().to_sql("patients", engine, if_exists="replace", index=False)
    engine.dispose()
    monkeypatch.setenv("AIRFLOW_CONN_CLINIC", postgres.replace("postgresql+psycopg2", "postgres"))
    address = postgres.replace("tests:p%40ss%2Fword@", "")
    asked = Asked(
        name="mine", template="regression", data=address, query="SELECT * FROM patients", connection="clinic",
        label="target",
    )  # fmt: skip
    made = make(asked, root, TODAY, lambda _: None)
    source = made.spec.tables[0].source
    assert source is not None
    assert (source.format, source.connection, source.query) == ("sql", "clinic", "SELECT * FROM patients")
    assert "p%40ss" not in "".join(made.files.values())
    assert declared(root) == made.spec


REFUSED: dict[str, tuple[dict[str, Any], type[ContenderError], str]] = {
    "name with a dash": ({"name": "my-model"}, ScaffoldRefused, "where: NAME.*got: 'my-model'"),
    "name in capitals": ({"name": "Churn"}, ScaffoldRefused, "where: NAME"),
    "name of one letter": ({"name": "x"}, ScaffoldRefused, "where: NAME"),
    "name that Python knows": ({"name": "lambda"}, ScaffoldRefused, "no word of Python's"),
    "name of a standard module": ({"name": "json"}, ScaffoldRefused, "that of a package.*NAME=json_model"),
    "name of an installed package": ({"name": "pandas"}, ScaffoldRefused, "that of a package"),
    "name of the templates": ({"name": "templates"}, ScaffoldRefused, "cannot be a model's"),
    "unknown template": ({"template": "clasification"}, ScaffoldRefused, "did you mean 'classification'"),
    "no such file": ({"data": "nowhere.csv"}, SourceUnreadable, "there is no such file.*nowhere.csv"),
    "format that is not known": ({"data": "rows.xls"}, SourceUnreadable, "format is not known"),
    "empty file": ({"data": "empty.csv"}, SourceUnreadable, "empty"),
    "database without a query": ({"data": "postgresql://host/db"}, ScaffoldRefused, "needs a query.*QUERY="),
    "password in the address": (
        {"data": "postgresql://me:secret@host/db", "query": "SELECT 1"},
        ScaffoldRefused,
        r"has a password.*got: postgresql://me:\*\*\*@host/db.*CONNECTION=",
    ),
    "no label": ({"label": ""}, ScaffoldRefused, "label does not fit the template.*LABEL"),
    "label of another task": ({"label": "age"}, ScaffoldRefused, "another task.*FROM=regression"),
    "forecast without series": ({"template": "forecasting"}, ScaffoldRefused, "TIME=<column> ENTITY=<column>"),
    "forecast of a name": (
        {"template": "forecasting", "time": "signed up", "entity": ("plan",)}, ScaffoldRefused, "number in each step",
    ),
    "batch with an entity": ({"template": "batch_only", "entity": ("plan",)}, ScaffoldRefused, "neither event time"),
    "anomaly with a label": ({"template": "anomaly"}, ScaffoldRefused, "leave LABEL out"),
    "entity that repeats": ({"entity": ("plan",)}, ScaffoldRefused, "rows cannot be told apart.*rows repeat"),
    "column to drop that is none": ({"drop": ("agee",)}, ScaffoldRefused, "no such columns.*agee"),
    "no input left": ({"drop": ("age", "plan")}, ScaffoldRefused, "no column is left"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "kind", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_model_that_cannot_be_made_is_refused_by_name_and_leaves_nothing(
    root: Path, change: dict[str, Any], kind: type[ContenderError], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers().to_csv(root / "data" / "rows.csv", index=False)
    (root / "data" / "empty.csv").write_text("")
    (root / "data" / "rows.xls").write_text("rows")
    monkeypatch.chdir(root / "data")
    given = {"name": "mine", "template": "classification", "data": "rows.csv", "label": "churned"} | change
    with pytest.raises(kind, match=said) as refused:
        make(Asked(**given), root, TODAY, lambda _: None)
    assert refused.value.next_step
    assert files_of(root) == set()


@pytest.mark.parametrize(
    "there", ["dags/mine/dag.py", "feature_repo/mine.py", "expectations/mine/a.json", "tests/models/test_mine_model.py"]
)
def test_model_of_a_name_that_is_taken_is_refused_and_left_as_it_was(root: Path, there: str) -> None:
    (root / there).parent.mkdir(exist_ok=True)
    (root / there).write_text("somebody's")
    with pytest.raises(ScaffoldRefused, match="there is a model of that name"):
        made_of(root, "regression", diabetes(), label="target")
    assert files_of(root) == {there}
    assert (root / there).read_text() == "somebody's"


def test_model_of_a_table_in_another_encoding_and_delimiter_says_so(root: Path) -> None:
    frame = customers(plan=np.resize(["früh", "spät"], 400))
    frame.to_csv(root / "data" / "rows.csv", index=False, sep=";", encoding="cp1252")
    asked = Asked(name="mine", template="classification", data=str(root / "data" / "rows.csv"), label="churned")
    made = make(asked, root, TODAY, lambda _: None)
    source = made.spec.tables[0].source
    assert source is not None
    assert (source.encoding, source.delimiter, source.url) == ("cp1252", ";", "data/rows.csv")
    assert "Guessed: encoding: cp1252" in made.files["dags/mine/dag.py"]
    assert '"früh"' in made.files["expectations/mine/mine.json"]


def test_model_with_quotes_in_its_words_and_path_and_many_long_names_is_well_formed(root: Path) -> None:
    frame = customers()
    for number in range(12):
        frame[f"a rather long name of a category {number}"] = np.resize(["a", "b", "c"], len(frame))
    keys = [f"a rather long name of a part of the key {number}" for number in range(5)]
    frame = frame.assign(**{key: np.arange(len(frame)) for key in keys})
    place = root / "data" / 'my "rows" \'.csv'
    frame.to_csv(place, index=False)
    asked = Asked(
        name="mine", template="classification", data=str(place), label="churned", entity=tuple(keys),
        title='Who said """no"""\\?\nWhy?', owner='The "team" \\',
    )  # fmt: skip
    made = make(asked, root, TODAY, lambda _: None)
    assert (made.spec.title, made.spec.owner) == (asked.title, asked.owner)
    assert declared(root) == made.spec
    require_house_format(root, "dags/mine", "feature_repo", "tests")


def signals(count: int = 600, days: int = 1) -> pd.DataFrame:
    """A number with a time, in steps of so many days."""
    draw = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "at": pd.date_range("2012-01-01", periods=count, freq=f"{days}D").strftime("%Y-%m-%d"),
            "size": draw.normal(size=count),
            "weight": draw.normal(size=count),
        }
    )


def test_anomalies_of_rows_with_a_time_are_planted_in_their_newest_part(root: Path) -> None:
    made = made_of(root, "anomaly", signals(), time="at")
    assert made.spec.tables[0].time_column == "at_"  # `at` is the name of when a request asks
    assert isinstance(made.spec.windows, Windows)


@pytest.mark.parametrize(
    ("label", "task", "baseline"),
    [("price", "regression", "mean"), ("kind", "multiclass", None), ("late", "binary", None)],
)
def test_batch_only_takes_gate_and_estimator_from_the_template_of_its_label_s_task(
    root: Path, label: str, task: str, baseline: str | None
) -> None:
    frame = signals().drop(columns="at")
    rows = {
        "price": frame["size"] * 3 + frame["weight"],
        "kind": np.resize(["a", "b", "c"], len(frame)),
        "late": np.resize(["no", "yes"], len(frame)),
    }
    made = made_of(root, "batch_only", frame.assign(**{label: rows[label]}), label=label)
    assert made.spec.task == task
    assert made.spec.gate.metric == ("mae" if task == "regression" else "log_loss")
    assert baseline is None or made.spec.gate.baseline == baseline
    assert ("boosting.regressor" in made.files["dags/mine/model.py"]) == (task == "regression")


def test_suspected_column_that_is_kept_is_told_and_weakens_no_gate(root: Path) -> None:
    frame = customers()
    telling = frame.assign(refund=(frame["churned"] == "yes") * 5.0 + np.arange(len(frame)) % 3 / 10)
    made = made_of(root, "classification", telling, label="churned", keep=("refund",))
    assert made.spec.gate.max_single_feature_power == GatePolicy.model_fields["max_single_feature_power"].default
    (told,) = [one for one in made.guesses if one.startswith("leak: ")]
    assert "refund: alone it tells churned" in told
    assert "# Guessed: leak: kept although suspected" in made.files["dags/mine/dag.py"]


NO_HOLDOUT: dict[str, Any] = {
    "a week": signals(40).assign(at=lambda frame: "2013-05-0" + (frame.index % 7 + 1).astype(str)),
    "one time of the far future": signals(400).assign(
        at=lambda frame: frame["at"].where(frame.index > 0, "2099-12-31")
    ),
    "a row a year": signals(30, days=365),
}


@pytest.mark.parametrize("frame", NO_HOLDOUT.values(), ids=NO_HOLDOUT.keys())
def test_times_that_leave_nothing_to_hold_out_are_refused_with_the_rows_by_month(
    root: Path, frame: pd.DataFrame
) -> None:
    before = files_of(root)
    with pytest.raises(ScaffoldRefused, match=r"too little time .*where: TIME; .*by month .*leave TIME out"):
        made_of(root, "regression", frame, label="size", time="at")
    assert files_of(root) == before


def test_rows_on_the_first_of_each_month_fill_their_months_and_a_gap_tells_what_it_costs(root: Path) -> None:
    months = pd.date_range("2005-01-01", periods=96, freq="MS").strftime("%Y-%m-%d")
    frame = signals(96).assign(at=months).drop(index=range(12, 14))
    made = made_of(root, "regression", frame, label="size", time="at")
    assert made.spec.data_until == datetime(2013, 1, 1, tzinfo=UTC)
    assert [one for one in made.guesses if "without 12 rows before it" in one]
    assert [one for one in made.guesses if one.startswith("holdout: ") and "does not show in them" in one]


def late(days: int, label_delay: int, root: Path) -> Made:
    """A model of ten rows a day, whose labels are known days later."""
    at = pd.date_range("2013-01-01", periods=days, freq="D").repeat(10).strftime("%Y-%m-%d")
    return made_of(root, "regression", signals(len(at)).assign(at=at), label="size", time="at", label_delay=label_delay)


def test_labels_that_are_known_later_choose_an_interval_that_leaves_some(root: Path) -> None:
    made = late(120, 20, root)
    assert (made.spec.schedule, made.spec.label_delay_hours) == ("@monthly", 480)
    assert "training and holdout lie 20 days earlier" in " ".join(made.guesses)


def test_labels_that_are_known_too_late_for_the_rows_are_refused_by_name(root: Path) -> None:
    before = files_of(root)
    with pytest.raises(ScaffoldRefused, match=r"where: TIME, LABEL_DELAY=100; .*or a smaller LABEL_DELAY"):
        late(120, 100, root)
    assert files_of(root) == before


def test_forecast_of_series_with_gaps_is_refused_before_anything_is_written(root: Path) -> None:
    frame = sales()
    weekdays = frame[pd.to_datetime(frame["day"]).dt.dayofweek < 5]
    before = files_of(root)
    with pytest.raises(ScaffoldRefused, match=r"cannot be fitted to the rows.*fill the gaps"):
        made_of(root, "forecasting", weekdays, label="sold", time="day", entity=("shop",))
    assert files_of(root) == before


def test_reading_is_told_without_the_address_s_password(root: Path) -> None:
    said: list[str] = []
    given = Asked(name="mine", template="regression", data="postgresql://u:s3cret@nowhere/db", label="x", query="x")
    with pytest.raises(ContenderError):
        make(given, root, TODAY, said.append)
    assert said
    assert "s3cret" not in "".join(said)


def test_bounds_leave_room_beyond_what_was_seen_and_are_told_with_how_to_change_them(root: Path) -> None:
    frame = customers(debt=np.linspace(-12.5, 37.5, len(customers())))
    made = made_of(root, "classification", frame, label="churned")
    seen = frame["age"].astype(int)
    age, debt = (next(one for one in made.spec.columns if one.name == name) for name in ("age", "debt"))
    assert (age.minimum, age.maximum) == (0, 2 * seen.max() - seen.min())
    assert (debt.minimum, debt.maximum) == (-62.5, 87.5)
    (told,) = [one for one in made.guesses if one.startswith("bounds: ")]
    assert "age 0 to" in told
    text = " ".join(made.files["dags/mine/dag.py"].replace("#", " ").split())
    assert "change minimum and maximum of the column in the spec and in its suite" in text


@pytest.mark.parametrize(
    ("low", "high", "whole", "bounds"),
    [
        (123_456, 345_678, True, (0, 567_900)),
        (-3, 4, True, (-10, 11)),
        (0.25, 0.75, False, (0.0, 1.25)),
        (-0.125, 0.0625, False, (-0.3125, 0.25)),
        (-1e308, 1e308, False, (-1e308, 1e308)),
    ],
    ids=["whole, never negative", "whole", "fractions, never negative", "fractions", "as wide as can be"],
)
def test_range_is_widened_by_its_width_within_what_can_be(
    low: float, high: float, *, whole: bool, bounds: tuple[float, float]
) -> None:
    assert widened(low, high, whole=whole) == bounds


def test_title_and_purpose_are_sentences_for_a_label_of_any_name(root: Path) -> None:
    frame = customers().rename(columns={"churned": "returned"})
    made = made_of(root, "classification", frame, label="returned")
    assert made.spec.title == "Predicts whether returned is yes"
    text = made.files["dags/mine/dag.py"]
    assert '"""Airflow DAGs of `mine`: Predicts whether returned is yes.' in text
    assert "**Purpose.** Predicts `returned`, one row at a time." in text


def test_numbers_with_a_decimal_comma_are_inputs_and_labels_as_those_with_a_point(root: Path) -> None:
    frame = signals()
    frame = frame.assign(price=frame["size"] * 3 + frame["weight"]).drop(columns="at")
    frame.to_csv(root / "data" / "rows.csv", index=False, sep=";", decimal=",")
    asked = Asked(name="mine", template="regression", data=str(root / "data" / "rows.csv"), label="price")
    made = make(asked, root, TODAY, lambda _: None)
    source = made.spec.tables[0].source
    assert source is not None
    assert (source.delimiter, source.decimal) == (";", ",")
    assert {column.kind for column in made.spec.columns} == {"number"}
    assert [one for one in made.guesses if one.startswith("decimal: ")]
    assert declared(root) == made.spec
