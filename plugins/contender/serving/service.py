"""What the app knows and does, without HTTP: load, check, predict, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from contender.adapters.online_rows import open_rows
from contender.core.errors import GoldenRequestsFailed, OnlineStoreUnreachable, RequestInvalid
from contender.serving.answers import Features, Prediction, spoken
from contender.serving.bodies import Body, instance_type
from contender.serving.bundle import Bundle, Entry, load_bundle
from contender.serving.lookup import Lookup, Question
from contender.serving.metrics import Metrics
from contender.serving.model import Model, self_check

# Readers of the store hardly ever wait for its writer; this is for a disk or a server that hangs.
STORE_SECONDS = 1.0


class Service:
    """One loaded model.

    Args:
        bundle_dir: The bundle folder.
        online_store: The online store's file or Redis URL; `None` where the model is asked by raw features alone.
        variant: Label of the metrics.

    Raises:
        BundleBroken: The bundle cannot be served: the process should not start.
        OnlineStoreUnreachable: The store's address is malformed: likewise.

    A model that fails its golden requests does load, so that `/ready` and each answer can say so.
    """

    def __init__(self, bundle_dir: Path, online_store: str | None, variant: str) -> None:
        self.bundle: Bundle = load_bundle(bundle_dir)
        self.model = Model(self.bundle)
        self._lookup: Lookup | None = None
        if online_store is not None:
            self._lookup = Lookup(self.bundle.signature, open_rows(online_store, STORE_SECONDS))
        self.metrics = Metrics(
            model=self.bundle.signature.model,
            version=self.bundle.version,
            variant=variant,
            about=self.bundle.about,
            golden=[request.output for request in self.bundle.golden.requests],
        )
        self.largest_difference = float("nan")
        self._unfit: GoldenRequestsFailed | None = None
        try:
            self.largest_difference = self_check(self.model, self.bundle)
        except GoldenRequestsFailed as error:
            self._unfit = error
        self._raw = Body("instances", instance_type(self.bundle.signature.columns))
        self._entities = None if self.bundle.entry is None else Body("requests", self.bundle.entry.request)

    @property
    def identity(self) -> dict[str, str]:
        """Model and version, part of every answer."""
        return {"model": self.bundle.signature.model, "version": self.bundle.version}

    def predict_raw(self, body: bytes) -> dict[str, Any]:
        """Answer `{"instances": [{column: value}]}` with one answer for each instance.

        That of a model of several classes is a list, in the order of `classes`, which is then part of the answer.
        """
        self._refuse_if_unfit()
        rows = [msgspec.structs.astuple(row) for row in self._raw.rows(body)]
        outputs = self.model.predict(rows)
        self.metrics.predicted(outputs)
        signature = self.bundle.signature
        classes = {"classes": signature.classes} if signature.task == "multiclass" else {}
        return {"predictions": outputs, **classes, **self.identity}

    def predict(self, body: bytes) -> dict[str, Any]:
        """Answer `{"requests": [{…}]}`, entities as the model's `request.py` declares them."""
        self._refuse_if_unfit()
        entry, bodies = self.bundle.entry, self._entities
        if entry is None or bodies is None:
            raise RequestInvalid(
                "this model takes no requests by entity",
                where="/predict",
                expected="a bundle with request.py",
                got="a bundle without it",
                next_step="send the features themselves to /predict/raw",
            )
        questions = [_resolve(entry, index, request) for index, request in enumerate(bodies.rows(body))]
        looked = self._features().rows(questions)
        outputs = self.model.predict([one.row for one in looked])
        self.metrics.predicted(outputs)
        for one in looked:
            for reason, features in one.unknown.items():
                for feature in features:
                    self.metrics.unknown(feature, reason)
        predictions = [
            Prediction(question.at, Features(**one.unknown), **spoken(self.bundle.signature, output))
            for output, question, one in zip(outputs, questions, looked, strict=True)
        ]
        return {"predictions": predictions, **self.identity}

    def ready(self) -> dict[str, Any]:
        """What the app is ready with.

        Raises:
            GoldenRequestsFailed: The loaded model is not the trained one.
            OnlineStoreUnreachable: The online store cannot be read.
        """
        self._refuse_if_unfit()
        if self._lookup is not None:
            self._lookup.check()
        return {
            "status": "ready",
            **self.identity,
            "golden_requests": len(self.bundle.golden.requests),
            "largest_difference": self.largest_difference,
            "online_store": "off" if self._lookup is None else "reachable",
        }

    def about(self) -> dict[str, Any]:
        """Origin and signature of the model."""
        return {"about": self.bundle.about, "signature": self.bundle.signature}

    def _features(self) -> Lookup:
        if self._lookup is None:
            raise OnlineStoreUnreachable(
                "this server has no online store",
                where="CONTENDER_ONLINE_STORE",
                expected="the path or the URL of the online store",
                got="none",
                next_step="start the server with an online store, or send the features themselves to /predict/raw",
            )
        return self._lookup

    def _refuse_if_unfit(self) -> None:
        if self._unfit is not None:
            raise self._unfit


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
