"""The bundle that training writes: the model, its signature, its golden requests, and where it comes from."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

import msgspec

from contender.core.errors import BundleBroken, some
from contender.core.golden import Output

Value = float | str | None
Resolve = Callable[[Any], tuple[datetime, dict[str, str], dict[str, Value]]]
T = TypeVar("T")


class Column(msgspec.Struct, frozen=True):
    """One input of the model; the fields are those of `contender.core.spec.Column`."""

    name: str
    kind: Literal["number", "category"]
    source: str
    minimum: float | None
    maximum: float | None
    nullable: bool


class View(msgspec.Struct, frozen=True):
    """How to look a feature view up: its join keys, and for how many seconds a row holds (`None`: for ever)."""

    join_keys: tuple[str, ...]
    ttl_seconds: float | None


class Signature(msgspec.Struct, frozen=True):
    """What the model takes and answers; `columns` in the order of its inputs, `classes` in that of their codes."""

    model: str
    label: str
    columns: tuple[Column, ...]
    views: dict[str, View]
    task: Literal["binary", "multiclass", "regression", "forecast"] = "binary"
    classes: tuple[str, ...] = ()


class GoldenRequest(msgspec.Struct, frozen=True):
    """Inputs by column and what the training process answered to them."""

    inputs: dict[str, Value]
    output: Output


class Golden(msgspec.Struct, frozen=True):
    """The golden requests and the largest absolute difference that still counts as the same answer."""

    tolerance: float
    requests: tuple[GoldenRequest, ...]


@dataclass(frozen=True)
class Entry:
    """The model's own request: its type, and what to look up for one of them (`request.py`)."""

    request: type[msgspec.Struct]
    resolve: Resolve


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle; `entry` is `None` where the model is asked by raw features alone."""

    folder: Path
    signature: Signature
    golden: Golden
    about: dict[str, Any]
    entry: Entry | None

    @property
    def version(self) -> str:
        """Version in the registry, or `unregistered`."""
        return str(self.about.get("version", "unregistered"))

    @property
    def identity(self) -> dict[str, str]:
        """Model and version, part of every answer."""
        return {"model": self.signature.model, "version": self.version}

    @property
    def onnx(self) -> Path:
        """The model as it was stored."""
        return self.folder / "model.onnx"

    @property
    def is_packed(self) -> bool:
        """Whether there is a packed model too; bundles of before there were any have none."""
        return (self.folder / "packed.onnx").exists()

    @property
    def scored(self) -> Path:
        """The model file that requests are answered by."""
        return self.folder / "packed.onnx" if self.is_packed else self.onnx


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle and check that its parts fit each other.

    Raises:
        BundleBroken: A file is missing or malformed, or a column comes from a view that is not described.
    """
    signature = _read(folder / "signature.json", Signature)
    golden = _read(folder / "golden.json", Golden)
    about = _read(folder / "about.json", dict[str, Any])
    names = {column.name for column in signature.columns}
    orphans = [column.name for column in signature.columns if column.source not in {"request", *signature.views}]
    if orphans:
        raise _broken(folder / "signature.json", "a view for each column that is not from the request", some(orphans))
    odd = [str(i) for i, request in enumerate(golden.requests) if request.inputs.keys() != names]
    if odd or not golden.requests:
        got = f"other columns in request {some(odd)}" if odd else "no requests"
        raise _broken(folder / "golden.json", "requests with exactly the signature's columns", got)
    entry = _entry(folder / "request.py") if (folder / "request.py").exists() else None
    return Bundle(folder=folder, signature=signature, golden=golden, about=about, entry=entry)


def _read(path: Path, form: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=form)
    except (OSError, msgspec.DecodeError) as error:
        raise _broken(path, "a readable file in the form the train stage writes", error) from error


def _entry(path: Path) -> Entry:
    module = _module(path)
    request, resolve = getattr(module, "Request", None), getattr(module, "resolve", None)
    if not (isinstance(request, type) and issubclass(request, msgspec.Struct) and callable(resolve)):
        raise _broken(path, "a msgspec.Struct called Request and a function called resolve", "one of them is missing")
    return Entry(request=request, resolve=resolve)


def _module(path: Path) -> ModuleType:
    # The name follows from the content, so that two models in one process do not take each other's place;
    # msgspec looks annotations up in sys.modules.
    name = f"contender_request_{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise _broken(path, "an importable module", "no loader for it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _broken(path: Path, expected: str, got: object) -> BundleBroken:
    return BundleBroken(
        "the bundle cannot be served",
        where=str(path),
        expected=expected,
        got=got,
        next_step="train the model again, or point CONTENDER_BUNDLE at the bundle folder of a run",
    )
