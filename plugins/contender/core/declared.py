"""The base of everything a model's author declares: frozen, strict, and helpful about a misspelt field."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from contender.core import schema
from contender.core.errors import SpecError, some
from contender.core.misfits import Misfit, Misfits

WIDTH = 80  # characters of a wrong value that an error shows


class Declared(BaseModel):
    """A frozen model that refuses unknown fields and says which one was probably meant.

    Raises:
        SpecError: Any field is unknown, missing, of the wrong type or out of its range, or the `dag.py` that
            declares it is of another version of the schema.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            # What an older spec says may well be wrong by now: its version is the better explanation.
            raise schema.misfit_of_the_declaring_file() or _spec_error(type(self).__name__, error) from error

    @model_validator(mode="before")
    @classmethod
    def _know_every_field(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for field in data.keys() - cls.model_fields.keys():
            close = get_close_matches(field, cls.model_fields, n=1)
            hint = f"{close[0]!r}, or " if close else ""
            raise Misfits(
                [Misfit(str(field), f"{hint}one of {', '.join(cls.model_fields)}", f"unknown field {field!r}")]
            )
        return data


def _spec_error(declared: str, error: ValidationError) -> SpecError:
    """Turn pydantic's report into one message that names each field, what it got and what it takes."""
    found = [misfit for problem in error.errors(include_url=False) for misfit in _misfits(problem)]
    return SpecError(
        f"{declared} cannot be declared like this",
        where=some(misfit.field for misfit in found if misfit.field) or declared,
        expected=some(misfit.expected for misfit in found),
        got=some(_short(str(misfit.got)) for misfit in found),
        next_step="mend the declaration in the model's dag.py; its fields are described in contender/core/spec.py",
    )


def _misfits(problem: Any) -> tuple[Misfit, ...]:
    """What one of pydantic's problems is about: the fields that a validator of ours names, or the one it lies in."""
    raised = problem.get("ctx", {}).get("error")
    if isinstance(raised, Misfits):
        return raised.found
    field = ".".join(str(part) for part in problem["loc"])
    return (Misfit(field, problem["msg"].removeprefix("Value error, "), repr(problem["input"])),)


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."
