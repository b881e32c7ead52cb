"""Tensors of the Open Inference Protocol: to values of a column, and from a model's outputs."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from contender.serving.bodies import MAX_ROWS
from contender.serving.bundle import Column, Value
from contender.serving.faults import Problem, problem

TEXT = "BYTES"
# NumPy's name of each datatype of numbers, in the byte order of the binary form.
FLOATS = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
WHOLES = {
    f"{sign}INT{bits}": f"<{kind}{bits // 8}" for sign, kind in (("", "i"), ("U", "u")) for bits in (8, 16, 32, 64)
}
BINARY_ALONE = "FP16"
NUMBERS = FLOATS | WHOLES
LENGTH = struct.Struct("<I")


class TensorFault(Exception):
    """A tensor that cannot be used; `args[0]` is the fault."""


class Tensor(msgspec.Struct, forbid_unknown_fields=True):
    """An input tensor as it is sent."""

    name: str
    shape: list[Annotated[int, Meta(ge=0)]]
    datatype: str
    parameters: dict[str, Any] = {}
    data: Any = msgspec.UNSET


def datatype(column: Column) -> str:
    """The datatype that a column's tensor is described with."""
    return TEXT if column.kind == "category" else "FP32"


def rows_of(tensor: Tensor) -> int:
    """How many rows a tensor is of.

    Raises:
        TensorFault: Its shape is not that of a column.
    """
    shape = tensor.shape
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)) or not 1 <= shape[0] <= MAX_ROWS:  # noqa: PLR2004
        raise _fault(tensor, "has another shape", shape, f"[N] or [N, 1] with N from 1 to {MAX_ROWS}")
    return shape[0]


def values(tensor: Tensor, column: Column, raw: bytes | None) -> list[Value]:
    """A tensor's values, not yet checked against the column's bounds.

    Args:
        tensor: The tensor; its shape is known to be good.
        column: The column it stands for.
        raw: Its binary data, where it comes with such.

    Raises:
        TensorFault: The datatype is not one for this column, or the data is not of that type or shape.
    """
    known = (TEXT,) if column.kind == "category" else tuple(NUMBERS)
    if tensor.datatype not in known:
        raise _fault(tensor, "has another datatype", tensor.datatype, f"one of {', '.join(known)}")
    if raw is None:
        if tensor.datatype == BINARY_ALONE:
            raise _fault(tensor, "is sent as JSON", tensor.datatype, "binary data: the datatype has no form in JSON")
        return _of_json(tensor)
    found = _texts(tensor, raw) if tensor.datatype == TEXT else _numbers(tensor, raw)
    # The binary form has no null: NaN stands for it, where there may be one.
    return [None if value != value else value for value in found] if column.nullable else found  # noqa: PLR0124  NaN


def _of_json(tensor: Tensor) -> list[Value]:
    data = tensor.data
    if not isinstance(data, list):
        raise _fault(tensor, "has no data", None if data is msgspec.UNSET else data, "data or binary_data_size")
    if len(tensor.shape) > 1 and data and isinstance(data[0], list):
        data = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in data]
    if len(data) != tensor.shape[0]:
        raise _fault(tensor, f"has {len(data)} values", data, f"{tensor.shape[0]} values, as its shape says")
    if tensor.datatype in WHOLES:
        low, high = (int(bound) for bound in _bounds(tensor.datatype))
        for index, value in enumerate(data):
            if value is not None and (type(value) is not int or not low <= value <= high):
                raise _fault(tensor, f"is no {tensor.datatype}", value, f"a whole number from {low} to {high}", index)
    return data


def _bounds(whole: str) -> tuple[Any, Any]:
    limits = np.iinfo(WHOLES[whole])
    return limits.min, limits.max


def _numbers(tensor: Tensor, raw: bytes) -> list[Value]:
    kind = np.dtype(NUMBERS[tensor.datatype])
    wanted = tensor.shape[0] * kind.itemsize
    if len(raw) != wanted:
        raise _fault(tensor, f"has {len(raw)} bytes", None, f"{wanted} bytes: {tensor.shape[0]} of {tensor.datatype}")
    return list(map(float, np.frombuffer(raw, kind).tolist()))


def _texts(tensor: Tensor, raw: bytes) -> list[Value]:
    try:
        found: list[Value] = [text.decode() for text in _split(raw)]
    except (struct.error, UnicodeDecodeError) as error:
        raise _fault(
            tensor, f"is no BYTES: {error}", None, "for each text its length in 4 bytes, then UTF-8"
        ) from error
    if len(found) != tensor.shape[0]:
        raise _fault(tensor, f"has {len(found)} texts", None, f"{tensor.shape[0]} texts, as its shape says")
    return found


def _split(raw: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(raw):
        (length,) = LENGTH.unpack_from(raw, place)
        place += LENGTH.size + length
        if place > len(raw):
            raise struct.error(f"the last text lacks {place - len(raw)} bytes")
        yield raw[place - length : place]


def output(name: str, found: list[Any], width: int, *, binary: bool) -> tuple[dict[str, Any], bytes]:
    """An output tensor and its binary data, which is empty where the data is part of the JSON.

    Args:
        name: Its name.
        found: A value for each row, or a list of `width` values.
        width: Its second dimension; 0 where it has none.
        binary: Give the data as bytes.
    """
    kind = "FP32" if width else "INT64"
    shape = [len(found), width] if width else [len(found)]
    described: dict[str, Any] = {"name": name, "datatype": kind, "shape": shape}
    if not binary:
        return described | {"data": [value for row in found for value in row] if width else found}, b""
    data = np.array(found, NUMBERS[kind]).tobytes()
    return described | {"parameters": {"binary_data_size": len(data)}}, data


def _fault(tensor: Tensor, what: str, value: Any, allowed: str, index: int | None = None) -> TensorFault:
    fault: Problem = problem(tensor.name, what, value, allowed, index)
    return TensorFault(fault)
