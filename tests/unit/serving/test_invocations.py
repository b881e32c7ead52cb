"""MLflow's forms, decoded by the dialect itself; tests/integration/test_clients.py asks the live app."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contender.core.errors import RequestInvalid, RequestMalformed, RequestUnreadable
from contender.serving.bundle import load_bundle
from contender.serving.invocations import Invocations
from tests.unit.serving.test_predict_raw import GOOD

JSON = {b"content-type": b"application/json"}
CSV = {b"content-type": b"text/csv; charset=utf-8"}
NAMES = list(GOOD)
OTHER = GOOD | {"dest": "BOS", "temp": 55, "seats": None}
ROWS = [tuple(GOOD.values()), tuple(OTHER.values())]
COLUMNS: dict[str, list[Any]] = {name: [GOOD[name], OTHER[name]] for name in NAMES}
TURNED = NAMES[::-1]


@pytest.fixture(scope="module")
def dialect(bundle: Path) -> Invocations:
    return Invocations(load_bundle(bundle))


def split(columns: list[str], *rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"dataframe_split": {"columns": columns, "data": [[row[name] for name in columns] for row in rows], **more}}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(split(NAMES, GOOD, OTHER), id="split"),
        pytest.param(split(TURNED, GOOD, OTHER, index=["a", 7]), id="split in another order, with an index"),
        pytest.param({"dataframe_records": [GOOD, OTHER]}, id="records"),
        pytest.param({"dataframe_records": [{n: [v] for n, v in one.items()} for one in (GOOD, OTHER)]}, id="in lists"),
        pytest.param({"instances": [GOOD, OTHER], "params": None}, id="instances of records"),
        pytest.param({"instances": COLUMNS, "params": {}}, id="instances by column"),
        pytest.param({"inputs": COLUMNS}, id="inputs by column"),
        pytest.param({"inputs": {name: [[v] for v in values] for name, values in COLUMNS.items()}}, id="tensors"),
        pytest.param({"inputs": [GOOD, OTHER]}, id="inputs of records"),
    ],
)
def test_read_every_form_gives_the_same_rows(dialect: Invocations, body: dict[str, Any]) -> None:
    asked = dialect.read(json.dumps(body).encode(), JSON)
    assert asked.rows == ROWS
    assert all(isinstance(row[3], float) and isinstance(row[4], float) for row in asked.rows)


def test_read_single_values_are_one_row(dialect: Invocations) -> None:
    assert dialect.read(json.dumps({"inputs": GOOD}).encode(), JSON).rows == ROWS[:1]


def test_read_csv_empty_cell_is_null(dialect: Invocations) -> None:
    lines = [
        ",".join(TURNED),
        *(",".join("" if row[n] is None else str(row[n]) for n in TURNED) for row in (GOOD, OTHER)),
    ]
    assert dialect.read("\r\n".join([*lines, "", ""]).encode(), CSV).rows == ROWS


def test_reply_names_the_graph_s_outputs(dialect: Invocations) -> None:
    asked = dialect.read(json.dumps({"instances": [GOOD, OTHER]}).encode(), JSON)
    reply = asked.reply([0.25, 0.75])
    assert json.loads(reply.body) == {"predictions": {"label": [0, 1], "probabilities": [[0.75, 0.25], [0.25, 0.75]]}}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param(split([n for n in NAMES if n != "temp"], GOOD), ("temp", "is missing"), id="one column less"),
        pytest.param(split([*NAMES, "hour"], GOOD), ("hour", "is given twice"), id="column twice"),
        pytest.param({"dataframe_split": {"data": [[1]]}}, ("columns", "is missing"), id="no columns"),
        pytest.param({"dataframe_split": {"columns": NAMES, "data": [[1, 2]]}}, ("data", "has 2 values"), id="ragged"),
        pytest.param({"dataframe_split": {"columns": NAMES, "data": [5]}}, ("data", "is no list"), id="no row"),
        pytest.param({"dataframe_split": [1]}, (None, "is no object"), id="split is a list"),
        pytest.param({"dataframe_split": {"columns": [1], "data": []}}, ("columns", "has no name at 0"), id="no name"),
        pytest.param(split(NAMES, GOOD, index=[1, 2]), ("index", "does not fit the data"), id="index too long"),
        pytest.param(split(NAMES, GOOD, dtype=1), ("dtype", "is unknown"), id="unknown part"),
        pytest.param(split(NAMES, GOOD | {"hour": 25}), ("hour", "is refused"), id="out of range"),
        pytest.param(split(NAMES, GOOD | {"hour": 10**300}), ("hour", "is refused"), id="huge whole number"),
        pytest.param(split(NAMES, GOOD | {"hour": [1, 2]}), ("hour", "is refused"), id="two values in a cell"),
        pytest.param({"dataframe_records": [GOOD | {"gate": 1}]}, ("gate", "is unknown"), id="unknown field"),
        pytest.param({"dataframe_records": {"hour": [1]}}, ("dataframe_records", "has another form"), id="no records"),
        pytest.param({"dataframe_records": [GOOD, 5]}, (None, "is no object"), id="row is no object"),
        pytest.param({"instances": [[1, 2]]}, (None, "has values without names"), id="array without names"),
        pytest.param({"instances": 5}, ("instances", "has another form"), id="number"),
        pytest.param({"inputs": COLUMNS | {"hour": [1]}}, ("hour", "has 1 values"), id="column too short"),
        pytest.param({"inputs": COLUMNS | {"hour": 1}}, ("hour", "is no list"), id="column and single value"),
        pytest.param(
            {"inputs": COLUMNS | {"hour": [[1, 2], [3]]}}, ("hour", "is refused"), id="tensor of another shape"
        ),
        pytest.param({"inputs": {"hour": [1]}}, ("origin", "is missing"), id="columns are missing"),
        pytest.param({"instances": [GOOD], "params": {"a": 1}}, ("params", "is not taken"), id="params"),
        pytest.param(
            {"instances": [GOOD], "signature_name": "x"}, ("signature_name", "is unknown"), id="signature name"
        ),
    ],
)
def test_read_bad_field_is_refused_by_name(
    dialect: Invocations, body: dict[str, Any], place: tuple[str | None, str]
) -> None:
    with pytest.raises(RequestInvalid) as refused:
        dialect.read(json.dumps(body).encode(), JSON)
    found = {(one["field"], one["problem"].split(":")[0]) for one in refused.value.problems}
    assert place in found
    assert all(one["allowed"] for one in refused.value.problems)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param([], "exactly one of dataframe_split", id="list"),
        pytest.param({}, "exactly one of dataframe_split", id="none"),
        pytest.param({"instances": [GOOD], "inputs": [GOOD]}, "exactly one of dataframe_split", id="two"),
        pytest.param({"instances": []}, "1 to 1000 rows", id="no rows"),
        pytest.param({"inputs": {name: [] for name in NAMES}}, "1 to 1000 rows", id="columns without rows"),
        pytest.param(split(NAMES), "1 to 1000 rows", id="split without rows"),
        pytest.param({"instances": [GOOD] * 1001}, "1 to 1000 rows", id="too many"),
    ],
)
def test_read_another_outline_is_refused(dialect: Invocations, body: Any, expected: str) -> None:
    with pytest.raises(RequestInvalid, match=expected):
        dialect.read(json.dumps(body).encode(), JSON)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param(json.dumps({"instances": [GOOD | {"hour": float("nan")}]}).encode(), "hour", id="NaN"),
        pytest.param(json.dumps(split(NAMES, GOOD | {"temp": float("inf")})).encode(), "temp", id="Infinity"),
        pytest.param(json.dumps({"instances": [GOOD | {"dest": "\ud800"}]}).encode(), "dest", id="lone surrogate"),
        pytest.param(
            json.dumps({"instances": [GOOD]}).replace('"hour"', '"hour": 1, "hour"').encode(), "hour", id="twice"
        ),
        pytest.param(
            json.dumps({"inputs": [GOOD]}).replace("{", '{"inputs": [], ', 1).encode(), "inputs", id="form twice"
        ),
    ],
)
def test_read_what_is_no_json_names_the_field(dialect: Invocations, body: bytes, field: str) -> None:
    with pytest.raises(RequestMalformed) as refused:
        dialect.read(body, JSON)
    assert [one["field"] for one in refused.value.problems] == [field]


def test_read_colons_in_texts_are_no_names(dialect: Invocations) -> None:
    body = json.dumps({"instances": [GOOD | {"dest": 'a:"b":c'}]}).encode()
    assert dialect.read(body, JSON).rows[0][2] == 'a:"b":c'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut off"),
        pytest.param(json.dumps({"instances": [GOOD]}).encode("utf-16"), id="UTF-16"),
        pytest.param(b"\xef\xbb\xbf" + json.dumps({"instances": [GOOD]}).encode(), id="byte order mark"),
        pytest.param(b'{"instances": "\xff"}', id="no UTF-8"),
        pytest.param(b"[" * 200_000, id="nested without end"),
        pytest.param(b'{"inputs": ' * 100_000, id="objects without end"),
    ],
)
def test_read_body_that_is_no_json_is_malformed(dialect: Invocations, body: bytes) -> None:
    with pytest.raises(RequestMalformed, match=r"no JSON"):
        dialect.read(body, JSON)


@pytest.mark.parametrize("depth", [100, 900, 990])
def test_read_deep_value_is_refused(dialect: Invocations, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    body = json.dumps({"instances": [GOOD | {"hour": "DEEP"}]}).replace('"DEEP"', deep).encode()
    with pytest.raises(RequestInvalid):
        dialect.read(body, JSON)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        pytest.param(b"", RequestMalformed, "no CSV", id="empty"),
        pytest.param(b"\xff", RequestMalformed, "no CSV", id="no UTF-8"),
        pytest.param(b'"hour', RequestMalformed, "no CSV", id="open quotation"),
        pytest.param(b"hour\n1\n", RequestInvalid, r"csv\.origin", id="columns are missing"),
        pytest.param(",".join(["", *NAMES]).encode(), RequestInvalid, "is unknown", id="pandas' index"),
        pytest.param(",".join(NAMES).encode(), RequestInvalid, "1 to 1000 rows", id="no rows"),
        pytest.param((",".join(NAMES) + "\n1,2").encode(), RequestInvalid, "has 2 cells", id="ragged"),
        pytest.param(
            (",".join(NAMES) + "\nJFK,AA,LAX,nan,1,1,1,1,1").encode(), RequestInvalid, r"hour .*nan", id="nan"
        ),
        pytest.param((",".join(NAMES) + "\nJFK,AA,LAX,,1,1,1,1,1").encode(), RequestInvalid, "hour is null", id="null"),
        pytest.param((",".join(NAMES) + "\nJFK,AA,LAX,1_0,1,1,1,1,1").encode(), RequestInvalid, "1_0", id="Python's"),
    ],
)
def test_read_bad_csv_is_refused(dialect: Invocations, body: bytes, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        dialect.read(body, CSV)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({b"content-type": b"application/x-www-form-urlencoded"}, id="a form"),
        pytest.param({b"content-type": b"application/json; charset=utf-16"}, id="UTF-16"),
        pytest.param({b"content-type": b"application/json; pandas=split"}, id="MLflow 1"),
        pytest.param(JSON | {b"content-encoding": b"gzip"}, id="compressed"),
    ],
)
def test_read_another_type_is_refused(dialect: Invocations, headers: dict[bytes, bytes]) -> None:
    with pytest.raises(RequestUnreadable, match=r"application/json or text/csv"):
        dialect.read(b"{}", headers)
