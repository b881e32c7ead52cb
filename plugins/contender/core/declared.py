"""The base of everything a model's author declares: frozen, strict, and helpful about a misspelt field."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from contender.core import schema
from contender.core.errors import SpecError, some

WIDTH = 80  # characters of a wrong value that an error shows


class Declared(BaseModel):
    """A frozen model that refuses unknown fields and says which one was probably meant.

    Raises:
        SpecError: Any field is unknown, missing, of the wrong type or out of its range, or the `dag.py` that
            declares it is of another version of the schema.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"unknown field {field!r}{hint} (there are: {', '.join(cls.model_fields)})")
        return data


def _spec_error(declared: str, error: ValidationError) -> SpecError:
    """Turn pydantic's report into one message that names each field, what it got and what it takes."""
    problems = error.errors(include_url=False)
    fields = [".".join(str(part) for part in problem["loc"]) for problem in problems]
    return SpecError(
        f"{declared} cannot be declared like this",
        where=some(filter(None, fields)) or declared,
        expected=some(problem["msg"].removeprefix("Value error, ") for problem in problems),
        got=some(_shown(problem) for problem in problems),
        next_step="mend the declaration in the model's dag.py; its fields are described in contender/core/spec.py",
    )


def _shown(problem: Any) -> str:
    text = repr(problem["input"])
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."
