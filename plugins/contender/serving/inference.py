"""The Open Inference Protocol v2 over HTTP, with binary tensors: one tensor for each column, by the column's name.

| route | answers |
|---|---|
| `GET /v2` | name, version and extensions of the server |
| `GET /v2/health/live`, `/v2/health/ready` | 200, or 503 with the reason |
| `GET /v2/models/NAME[/versions/VERSION]` | inputs and outputs of the model |
| `GET /v2/models/NAME[/versions/VERSION]/ready` | 200, or 503 with the reason |
| `POST /v2/models/NAME[/versions/VERSION]/infer` | outputs as tensors |

Errors are `{"error": text}`, as the protocol has them; the text names field, value and what is allowed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from contender.core.errors import ContenderError, RequestMalformed, RequestUnreadable
from contender.core.golden import Output
from contender.serving.answers import Reply, answer, status_of
from contender.serving.bodies import Columns
from contender.serving.bundle import Bundle, Value
from contender.serving.dialects import Asked, Headers
from contender.serving.faults import Problem, invalid, problem, require_none
from contender.serving.outputs import Outputs
from contender.serving.service import MOST_OF_AN_ID
from contender.serving.strict_json import read_json
from contender.serving.tensors import Tensor, TensorFault, datatype, output, rows_of, values

PREFIX = "/v2"
HEADER_LENGTH = b"inference-header-content-length"
PLATFORM = "onnxruntime_onnx"
# What a request may say beside its tensors. The hints change no answer here: one model, no queue, one way to decode.
REQUEST, HINTS = "binary_data_output", ("priority", "timeout", "content_type")
PLACE = re.compile(r"at `\$\.?(.*)`")


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The JSON part of a request."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[Wanted] = []
    # Triton's own examples repeat the address here.
    model_name: str | None = None


class Inference:
    """The dialect of `/v2/models/NAME/infer`, and what the protocol's other routes say of the model."""

    def __init__(self, bundle: Bundle) -> None:
        self.name, self.version = bundle.signature.model, bundle.version
        self._by_name = {column.name: column for column in bundle.signature.columns}
        self._columns = Columns(bundle.signature.columns)
        self._outputs = Outputs(bundle.signature)

    def server(self) -> dict[str, Any]:
        """The answer to `GET /v2`; the version is that of the protocol's second edition as served here."""
        return {"name": "contender", "version": "2", "extensions": ["binary_tensor_data"]}

    def metadata(self) -> dict[str, Any]:
        """Inputs and outputs of the model."""
        inputs = [
            {"name": name, "datatype": datatype(column), "shape": [-1, 1]} for name, column in self._by_name.items()
        ]
        outputs = [
            {"name": name, "datatype": "FP32" if width else "INT64", "shape": [-1, width] if width else [-1]}
            for name, width in self._outputs.shapes.items()
        ]
        return {
            "name": self.name,
            "versions": [self.version],
            "platform": PLATFORM,
            "inputs": inputs,
            "outputs": outputs,
        }

    @property
    def paths(self) -> tuple[str, str]:
        """The model's address, without and with its version."""
        path = f"{PREFIX}/models/{self.name}"
        return path, f"{path}/versions/{self.version}"

    def read(self, body: bytes, headers: Headers) -> Asked:
        """Decode and check a body; see `Dialect.read`.

        Raises:
            RequestUnreadable: It is compressed.
            RequestMalformed: It is no JSON, or the binary data is not as long as is said.
            RequestInvalid: A tensor is missing, unknown, of another type or shape, or a value out of range.
        """
        _require_plain(headers)
        head, data = _parted(body, headers)
        request, rows = read_json(head, lambda content: self._use(content, data))
        default = request.parameters.get(REQUEST, False)
        wanted = [(one.name, one.parameters.get("binary_data", default)) for one in request.outputs]
        wanted = wanted or [(name, default) for name in self._outputs.shapes]
        # The caller gets its id back as it is; the record has no more of it than of any other.
        known_as = request.id and request.id[:MOST_OF_AN_ID]
        return Asked(rows, lambda outputs: self.reply(outputs, request.id, wanted), known_as)

    def _use(self, content: Any, data: bytes) -> tuple[InferRequest, list[tuple[Value, ...]]]:
        try:
            request = msgspec.convert(content, InferRequest)
        except (msgspec.ValidationError, RecursionError) as error:
            raise invalid("body", [_outline_fault(error)]) from error
        require_none("body", self._parameter_faults(request))
        require_none("inputs", self._columns.fields.names(tensor.name for tensor in request.inputs))
        raws = _raws(request.inputs, data)
        tensors = {tensor.name: (tensor, raw) for tensor, raw in zip(request.inputs, raws, strict=True)}
        try:
            counts = {name: rows_of(tensor) for name, (tensor, _) in tensors.items()}
            rows = max(counts.values())
            uneven = [
                problem(n, "is of fewer rows", c, f"{rows} rows, as others") for n, c in counts.items() if c < rows
            ]
            require_none("inputs", iter(uneven))
            columns = [values(*self._with_column(tensors, name)) for name in self._columns.names]
        except TensorFault as error:
            raise invalid("inputs", [error.args[0]]) from error
        return request, self._columns.ordered("inputs", list(zip(*columns, strict=True)))

    def _with_column(self, tensors: dict[str, tuple[Tensor, bytes | None]], name: str) -> tuple[Any, Any, Any]:
        tensor, raw = tensors[name]
        return tensor, self._by_name[name], raw

    def _parameter_faults(self, request: InferRequest) -> Iterator[Problem]:
        yield from _unknown_parameters("parameters", request.parameters, (REQUEST, *HINTS), REQUEST)
        for tensor in request.inputs:
            known = ("binary_data_size", "content_type")
            yield from _unknown_parameters(f"{tensor.name}.parameters", tensor.parameters, known)
        if request.model_name not in {None, self.name}:
            yield problem("model_name", "is another than the address has", request.model_name, self.name)
        left = list(self._outputs.shapes)
        for one in request.outputs:
            if one.name in left:
                left.remove(one.name)
            else:
                yield problem("outputs", "names no output, or one twice", one.name, ", ".join(self._outputs.shapes))
            yield from _unknown_parameters(f"{one.name}.parameters", one.parameters, ("binary_data",), "binary_data")

    def reply(
        self, outputs: list[Output], client_id: str | None = None, wanted: list[tuple[str, bool]] | None = None
    ) -> Reply:
        """The answer with the wanted outputs, each by name and whether as binary data; by default all as JSON."""
        found = self._outputs.by_name(outputs)
        wanted = wanted or [(name, False) for name in self._outputs.shapes]
        tensors = [output(name, found[name], self._outputs.shapes[name], binary=binary) for name, binary in wanted]
        content: dict[str, Any] = {"model_name": self.name, "model_version": self.version}
        content |= {} if client_id is None else {"id": client_id}
        reply = answer(content | {"outputs": [described for described, _ in tensors]})
        if any(binary for _, binary in wanted):
            reply.headers = ((HEADER_LENGTH, b"%d" % len(reply.body)),)
            reply.content_type = b"application/octet-stream"
            reply.body += b"".join(data for _, data in tensors)
        return reply


def refusal(error: ContenderError, status: int | None = None) -> Reply:
    """An error in the protocol's form."""
    return Reply(json.dumps({"error": str(error)}).encode(), status_of(error) if status is None else status)


def _require_plain(headers: Headers) -> None:
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").lower()
    if encoding != "identity":
        raise RequestUnreadable(
            "compressed requests are not read",
            where="Content-Encoding",
            expected="none",
            got=encoding,
            next_step="send the request without compression",
        )


def _parted(body: bytes, headers: Headers) -> tuple[bytes, bytes]:
    """The JSON part of a body and the binary data behind it."""
    said = headers.get(HEADER_LENGTH)
    if said is None:
        return body, b""
    # isdecimal() of bytes does not exist; isdigit() of bytes is ASCII alone.
    if not said.isdigit() or len(said) > 10 or int(said) > len(body):  # noqa: PLR2004  digits of 4 GiB
        raise RequestMalformed(
            "the request's JSON part is not as long as is said",
            where="Inference-Header-Content-Length",
            expected=f"the length of the JSON part, at most the body's {len(body)} bytes",
            got=said[:80].decode("latin-1"),
            next_step="send the length in bytes",
        )
    return body[: int(said)], body[int(said) :]


def _raws(tensors: list[Tensor], data: bytes) -> list[bytes | None]:
    """Each tensor's share of the binary data, in their order."""
    found: list[bytes | None] = []
    place = 0
    for tensor in tensors:
        size = tensor.parameters.get("binary_data_size")
        if size is None:
            found.append(None)
            continue
        if type(size) is not int or not 0 <= size <= len(data) - place or tensor.data is not msgspec.UNSET:
            allowed = f"at most the {len(data) - place} bytes that are left behind the JSON part, and no data beside it"
            raise invalid("inputs", [problem(tensor.name, "has no such binary_data_size", size, allowed)])
        found.append(data[place : place + size])
        place += size
    if place != len(data):
        left = f"{place} bytes, the sum of the tensors' binary_data_size"
        raise invalid("body", [problem("binary data", f"has {len(data)} bytes", None, left)])
    return found


def _unknown_parameters(
    where: str, given: dict[str, Any], known: tuple[str, ...], boolean: str = ""
) -> Iterator[Problem]:
    for name, value in given.items():
        if name not in known:
            yield problem(where, f"has an unknown {name[:80]}", value, ", ".join(known))
        elif name == boolean and not isinstance(value, bool):
            yield problem(where, f"has another {name}", value, "true or false")


def _outline_fault(error: Exception) -> Problem:
    place = PLACE.search(str(error))
    field = place[1] if place else None
    return problem(field or None, f"is refused: {error}", None, "an inference request: GET /openapi.json has its form")
