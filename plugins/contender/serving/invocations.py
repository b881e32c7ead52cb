"""MLflow's scoring protocol: `POST /invocations`, as `mlflow models serve` takes and answers it for the same model.

| body | is |
|---|---|
| `{"dataframe_split": {"columns": [name], "data": [[value]], "index": [any]}}` | rows, the names once |
| `{"dataframe_records": [{name: value}]}` | records |
| `{"instances": [{name: value}]}` or `{"instances": {name: [value]}}` | records, or columns |
| `{"inputs": {name: [value]}}` or `{"inputs": [{name: value}]}` | columns, or records |
| `text/csv` | a line of names, then a line for each row; an empty cell is null |

A value of a record or column may stand in a list of its own (`[value]`), for MLflow's tensors have the shape (rows, 1).
Answers are the outputs of the model's graph by name: `{"predictions": {"label": […], "probabilities": [[…]]}}`, or
`{"predictions": {"variable": [[…]]}}` for numbers.

Stricter than MLflow: what is unknown or left over is refused, not dropped; see docs/serving.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from operator import itemgetter
from typing import Any

from contender.core.errors import RequestUnreadable
from contender.core.golden import Output
from contender.serving.answers import Reply, answer
from contender.serving.bodies import Columns, outline
from contender.serving.bundle import Bundle, Value
from contender.serving.csv_rows import csv_rows
from contender.serving.dialects import Asked, Headers
from contender.serving.faults import Problem, form, invalid, problem, require_none
from contender.serving.outputs import Outputs
from contender.serving.strict_json import read_json

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
ONE_FORM = f"an object with exactly one of {', '.join(FORMS)}"
JSON, CSV = "application/json", "text/csv"
Rows = list[tuple[Value, ...]]


class Invocations:
    """The dialect of `/invocations`."""

    def __init__(self, bundle: Bundle) -> None:
        self._columns = Columns(bundle.signature.columns)
        self._outputs = Outputs(bundle.signature)

    def read(self, body: bytes, headers: Headers) -> Asked:
        """Decode and check a body; see `Dialect.read`.

        Raises:
            RequestUnreadable: It is neither JSON nor CSV in UTF-8.
            RequestMalformed: It is not what its type says.
            RequestInvalid: Anything in it is missing, unknown, null, of the wrong type or out of range.
        """
        if _media(headers) == CSV:
            return Asked(csv_rows(body, self._columns), self._reply)
        return Asked(read_json(body, self._rows), self._reply)

    def _reply(self, outputs: list[Output]) -> Reply:
        return answer({"predictions": self._outputs.by_name(outputs)})

    def _rows(self, content: Any) -> Rows:
        given = [name for name in FORMS if name in content] if isinstance(content, dict) else []
        if len(given) != 1:
            raise form("the request's body has another form", expected=ONE_FORM, got=outline(content, FORMS[0]))
        key = given[0]
        strange = [name for name in content if name not in {key, "params"}]
        if strange:
            raise invalid("body", [problem(name[:80], "is unknown", content[name], ONE_FORM) for name in strange])
        if content.get("params"):
            raise invalid(
                "body", [problem("params", "is not taken", content["params"], "no params: the model has none")]
            )
        return self._split(content[key]) if key == "dataframe_split" else self._table(key, content[key])

    def _table(self, key: str, table: Any) -> Rows:
        if isinstance(table, dict) and key in {"instances", "inputs"}:
            return self._by_column(key, table)
        if not isinstance(table, list):
            raise invalid("body", [problem(key, "has another form", table, "a list of records")])
        if len(self._columns.names) == 1 and key in {"instances", "inputs"} and not _any_object(table):
            return self._by_column(key, {self._columns.names[0]: table})
        if table and not _any_object(table):
            raise invalid(key, [problem(None, "has values without names", table[0], "an object for each row", 0)])
        return self._columns.records(key, [_unwrapped(record) for record in table])

    def _by_column(self, key: str, table: dict[str, Any]) -> Rows:
        """Columns by name: each a list with a value for each row; single values are one row."""
        require_none(key, self._columns.fields.names(table))
        lists = {name: values for name, values in table.items() if isinstance(values, list)}
        if not lists:
            return self._columns.records(key, [table])
        require_none(key, _uneven(table, max(map(len, lists.values()))))
        columns = ([_bare(value) for value in lists[name]] for name in self._columns.names)
        return self._columns.ordered(key, list(zip(*columns, strict=True)))

    def _split(self, split: Any) -> Rows:
        require_none("dataframe_split", chain(_split_faults(split), self._split_names(split)))
        columns, data = split["columns"], split["data"]
        if columns == self._columns.names:
            return self._columns.ordered("dataframe_split.data", data)
        places = [columns.index(name) for name in self._columns.names]
        pick = itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)
        return self._columns.ordered("dataframe_split.data", [pick(row) for row in data])

    def _split_names(self, split: Any) -> Iterator[Problem]:
        columns = split.get("columns") if isinstance(split, dict) else None
        if isinstance(columns, list):
            yield from self._columns.fields.names(name for name in columns if isinstance(name, str))


def _uneven(table: dict[str, Any], rows: int) -> Iterator[Problem]:
    """Columns that are no list as long as the others."""
    for name, values in table.items():
        if not isinstance(values, list):
            yield problem(name, "is no list", values, f"a list of {rows} values")
        elif len(values) != rows:
            yield problem(name, f"has {len(values)} values", values, f"{rows} values")


def _split_faults(split: Any) -> Iterator[Problem]:
    """Faults of the outline of `dataframe_split`."""
    if not isinstance(split, dict):
        yield problem(None, "is no object", split, "an object with columns and data")
        return
    for name in split.keys() - {"columns", "data", "index"}:
        yield problem(name[:80], "is unknown", split[name], "columns, data and index")
    for name in ("columns", "data"):
        if not isinstance(split.get(name), list):
            what = "is no list" if name in split else "is missing"
            yield problem(name, what, split.get(name), "a list")
    columns, data, index = split.get("columns"), split.get("data"), split.get("index")
    for place, name in enumerate(columns if isinstance(columns, list) else []):
        if not isinstance(name, str):
            yield problem("columns", f"has no name at {place}", name, "names of columns")
    if index is not None and (not isinstance(index, list) or not isinstance(data, list) or len(index) != len(data)):
        yield problem("index", "does not fit the data", index, "a list as long as data, or none")
    width = len(columns) if isinstance(columns, list) else 0
    for place, row in enumerate(data if isinstance(data, list) and width else []):
        if not isinstance(row, list) or len(row) != width:
            what = f"has {len(row)} values" if isinstance(row, list) else "is no list"
            yield problem("data", what, row, f"a list of {width} values", place)


def _any_object(table: list[Any]) -> bool:
    return any(isinstance(record, dict) for record in table)


def _unwrapped(record: Any) -> Any:
    if isinstance(record, dict) and any(isinstance(value, list) for value in record.values()):
        return {name: _bare(value) for name, value in record.items()}
    return record


def _bare(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _media(headers: Headers) -> str:
    """The body's type.

    Raises:
        RequestUnreadable: Neither JSON nor CSV, or not in UTF-8.
    """
    said = headers.get(b"content-type", b"").decode("latin-1")
    media, *parameters = (part.strip().lower() for part in said.split(";"))
    odd = [one for one in parameters if one and one.replace('"', "") != "charset=utf-8"]
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").lower()
    if media in {JSON, CSV} and not odd and encoding == "identity":
        return media
    raise RequestUnreadable(
        "the request's body is of a type that this route does not read",
        where="Content-Type" if encoding == "identity" else "Content-Encoding",
        expected=f"{JSON} or {CSV}, in UTF-8, not compressed",
        got=(said or "none") if encoding == "identity" else encoding,
        next_step=f"say what the body is, e.g. Content-Type: {JSON}",
    )
