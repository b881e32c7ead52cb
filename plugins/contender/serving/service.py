"""What the app knows and does, without HTTP: load, check, predict, report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from contender.adapters.online_rows import open_rows
from contender.core.errors import GoldenRequestsFailed, OnlineStoreUnreachable, RequestInvalid
from contender.core.golden import Output
from contender.serving.answers import Features, Prediction, Reply, answer, spoken
from contender.serving.asgi import Call
from contender.serving.batcher import Batcher, Work
from contender.serving.bodies import Body
from contender.serving.bundle import Bundle, Entry, load_bundle
from contender.serving.dialects import Dialect, Headers
from contender.serving.log_metrics import LogMetrics
from contender.serving.lookup import Looked, Lookup, Question
from contender.serving.lookups import LookupOptions, Lookups
from contender.serving.metrics import Metrics
from contender.serving.model import Model, self_check
from contender.serving.prediction_log import PredictionLog
from contender.serving.record import Recorder, RequestIds

DEFAULT = LookupOptions()
REQUEST_ID, MOST_OF_AN_ID = b"x-request-id", 128


class Service:
    """One loaded model.

    Args:
        bundle_dir: The bundle folder.
        online_store: The online store's file or Redis URL; `None` where the model is asked by raw features alone.
        variant: Label of the metrics, and part of each record.
        log: Where answers are put on record before they are given; `None` keeps none.
        redact: Names of what no record shows.
        lookups: How features are looked up.

    Raises:
        BundleBroken: The bundle cannot be served, or has nothing of a name to redact: the process should not start.
        OnlineStoreUnreachable: The store's address is malformed: likewise.

    A model that fails its golden requests does load, so that `/ready` and each answer can say so.
    """

    def __init__(
        self,
        bundle_dir: Path,
        online_store: str | None,
        variant: str,
        log: PredictionLog | None = None,
        redact: Iterable[str] = (),
        lookups: LookupOptions = DEFAULT,
    ) -> None:
        self.bundle: Bundle = load_bundle(bundle_dir)
        self.model = Model(self.bundle)
        self.metrics = Metrics(
            model=self.bundle.signature.model,
            version=self.bundle.version,
            variant=variant,
            about=self.bundle.about,
            golden=[request.output for request in self.bundle.golden.requests],
        )
        self._lookups = None if online_store is None else self._looking_up(online_store, lookups)
        self.largest_difference = float("nan")
        self._unfit: GoldenRequestsFailed | None = None
        try:
            self.largest_difference = self_check(self.model, self.bundle)
        except GoldenRequestsFailed as error:
            self._unfit = error
        self._batcher = Batcher(self.model.predict, self._keep)
        self._ids = RequestIds()
        self._log = log
        if log is not None:
            common = (*self.bundle.identity.values(), variant)
            self.metrics.registry.register(LogMetrics(log.figures, common))
        entry = self.bundle.entry
        self._recorder = Recorder(
            **self.bundle.identity,
            variant=variant,
            columns=[column.name for column in self.bundle.signature.columns],
            fields=() if entry is None else [field.encode_name for field in msgspec.structs.fields(entry.request)],
            redact=redact,
        )
        self._entities = None if self.bundle.entry is None else Body("requests", self.bundle.entry.request)

    async def ask(self, dialect: Dialect, endpoint: str, call: Call) -> Reply:
        """Answer a request by raw features, in the form that it was asked in."""
        self.require_fit()
        body = await call.body()
        start = perf_counter()
        asked = dialect.read(body, call.headers)
        work = Work(asked.rows, endpoint, start, asked.client_id or client_id(call.headers))
        return identified(asked.reply(await self._batcher.answer(work)), work)

    async def predict(self, call: Call) -> Reply:
        """Answer `{"requests": [{…}]}`, entities as the model's `request.py` declares them."""
        self.require_fit()
        entry, bodies = self.bundle.entry, self._entities
        if entry is None or bodies is None:
            raise RequestInvalid(
                "this model takes no requests by entity",
                where="/predict",
                expected="a bundle with request.py",
                got="a bundle without it",
                next_step="send the features themselves to /predict/raw",
            )
        body = await call.body()
        start = perf_counter()
        entities = bodies.rows(body)
        questions = [_resolve(entry, index, request) for index, request in enumerate(entities)]
        looked = await self._features().rows_async(questions)
        work = Work([one.row for one in looked], "/predict", start, client_id(call.headers), entities)
        work.at, work.unknown = [question.at for question in questions], [one.unknown for one in looked]
        outputs = await self._batcher.answer(work)
        predictions = self._predictions(outputs, questions, looked)
        return identified(answer({"predictions": predictions, **self.bundle.identity}), work)

    def begin(self) -> None:
        """Before the first request: what a dead server left of the prediction log is brought to its store."""
        if self._log is not None:
            self._log.begin()

    def end(self) -> None:
        """After the last request was answered: the prediction log is brought to its store as far as there is time."""
        if self._log is not None:
            self._log.end()
        if self._lookups is not None:
            self._lookups.close()

    async def ready(self) -> dict[str, Any]:
        """What the app is ready with.

        Raises:
            GoldenRequestsFailed: The loaded model is not the trained one.
            PredictionLogFull: No answer could be put on record.
            OnlineStoreUnreachable: The online store cannot be read.
        """
        self.require_fit()
        if self._log is not None:
            self._log.require_room()
        if self._lookups is not None:
            await self._lookups.check()
        return {
            "status": "ready",
            **self.bundle.identity,
            "golden_requests": len(self.bundle.golden.requests),
            "largest_difference": self.largest_difference,
            "online_store": "off" if self._lookups is None else "reachable",
            "prediction_log": "off" if self._log is None else "on",
        }

    def about(self) -> dict[str, Any]:
        """Origin and signature of the model."""
        return {"about": self.bundle.about, "signature": self.bundle.signature}

    def _keep(self, batch: Sequence[Work]) -> None:
        """Give each answer its id and put it on record, then count it."""
        for work in batch:
            work.request_id = self._ids.new()
        if self._log is not None:
            self._log.append(b"".join([self._line(work) for work in batch]))
        self.metrics.flushed(sum(len(work.rows) for work in batch))
        for work in batch:
            self.metrics.predicted(work.outputs)

    def _line(self, work: Work) -> bytes:
        return self._recorder.line(
            work.request_id, work.endpoint, work.rows, work.outputs, round(1000 * work.seconds, 3),
            client_id=work.client_id, entities=work.entities, at=work.at, unknown=work.unknown,
        )  # fmt: skip

    def _predictions(self, outputs: list[Output], questions: list[Question], looked: list[Looked]) -> list[Prediction]:
        return [
            Prediction(question.at, Features(**one.unknown), **spoken(self.bundle.signature, output))
            for output, question, one in zip(outputs, questions, looked, strict=True)
        ]

    def _looking_up(self, online_store: str, options: LookupOptions) -> Lookups:
        store = open_rows(online_store, options.timeout_s)
        lookups = Lookups(Lookup(self.bundle.signature, options.stale), store, options.timeout_s, self.metrics)
        self.metrics.watch_breaker(lookups.breaker)
        return lookups

    def _features(self) -> Lookups:
        if self._lookups is None:
            raise OnlineStoreUnreachable(
                "this server has no online store",
                where="CONTENDER_ONLINE_STORE",
                expected="the path or the URL of the online store",
                got="none",
                next_step="start the server with an online store, or send the features themselves to /predict/raw",
            )
        return self._lookups

    def require_fit(self) -> None:
        """Whether the loaded model is the trained one.

        Raises:
            GoldenRequestsFailed: It is not.
        """
        if self._unfit is not None:
            raise self._unfit


def client_id(headers: Headers) -> str | None:
    """The caller's own name of a request, of the header `X-Request-ID`."""
    given = headers.get(REQUEST_ID)
    return None if given is None else given[:MOST_OF_AN_ID].decode("latin-1")


def identified(reply: Reply, work: Work) -> Reply:
    """The answer with the server's name of the request, under which it is on record."""
    reply.headers += ((REQUEST_ID, work.request_id.encode()),)
    return reply


def _resolve(entry: Entry, index: int, request: Any) -> Question:
    try:
        return Question(*entry.resolve(request))
    except (ValueError, OverflowError) as error:  # e.g. a time in the year 1, of which no hour can be taken
        raise RequestInvalid(
            "the request contradicts itself or cannot be placed in time",
            where=f"requests[{index}]",
            expected="values that the model's request.py can resolve",
            got=f"{request!r}: {error}",
            next_step="mend the request and send it again; nothing of it was answered",
        ) from error
