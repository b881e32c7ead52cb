"""In-toto statements with SLSA's provenance: checked against their published forms, and written in one way."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from contender.core.errors import ReleaseBroken
from contender.core.manifest import canonical
from contender.core.provenance import PREDICATE_TYPE


def payload(statement: dict[str, Any]) -> bytes:
    """A statement as the bytes to sign.

    Raises:
        ReleaseBroken: It is not of the form that it claims.
    """
    _require_valid(statement)
    return canonical(statement)


def read(content: bytes) -> dict[str, Any]:
    """The statement that was signed.

    Raises:
        ReleaseBroken: It is none with SLSA's provenance.
    """
    try:
        statement = json.loads(content)
    except ValueError as error:
        raise _malformed(error) from error
    _require_valid(statement)
    return dict(statement)


def _require_valid(statement: Any) -> None:
    try:
        Statement.copy_from_pb(json_format.ParseDict(statement, statement_pb2.Statement())).validate()
        json_format.ParseDict(statement["predicate"], provenance_pb2.Provenance())
    except (json_format.ParseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _malformed(error) from error
    if statement["predicateType"] != PREDICATE_TYPE:
        raise _malformed(statement["predicateType"])


def _malformed(got: object) -> ReleaseBroken:
    return ReleaseBroken(
        "what was signed is no statement of provenance", where="the signed statement",
        expected=f"an in-toto Statement v1 with the predicate {PREDICATE_TYPE}", got=str(got)[:200],
        next_step="restore the release from a backup",
    )  # fmt: skip
