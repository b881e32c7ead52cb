"""Every error Contender raises itself.

```
ContenderError
├── SpecError                 a model's declaration cannot work
├── IntervalError             the interval is malformed or has no data
├── DataError                 the rows cannot be used
│   ├── ValidationFailed      a critical expectation failed
│   ├── RowsNotConserved      a join or load lost or multiplied rows
│   ├── SourceUnreadable      a table's source cannot be read as its declaration says
│   ├── StaleFeatures         a feature table or row is older than its freshness limit
│   ├── NoLabels              no row of the window has a label
│   └── NoValues              an input has no value in any row to fit on
├── TableContended            others wrote a table of the lake at every attempt to
├── TableVersionGone          a version of a table of the lake cannot be read any more
├── ScaffoldRefused           a model cannot be made of what was given, or not be removed
├── UpgradeRefused            another version of the platform cannot be compared with this one
├── TrackingUnreachable       MLflow does not answer
├── ModelNotFaithful          no stored form of the model scores as the fitted one does
├── EngineUnavailable         no Docker engine answers
├── EngineCallRefused         a call that the engine is not to be asked
├── ImageFailed               the image could not be built or started
├── RegistryRefused           the registry does not take or give the image
├── RegistryUnreachable       the registry does not answer
├── GoldenRequestsFailed      the served model answers otherwise than the trained one
├── SelfTestFailed            the gate got a case wrong whose outcome is known
├── ChampionUnrecorded        the alias champion is not where the decision log has it
├── EvidenceStale             the evidence is of another model, holdout, champion or policy
├── OverrideRefused           a person's word may not go before the gate's
├── PromotionRefused          the alias may not be moved
├── ReleaseMissing            a version has no release manifest
├── ReleaseBroken             a part of a release is not what was released
├── ReleaseTooOld             a release lacks what was not kept yet when it was made
├── SigningKeyUnusable        no key that a release could be signed or verified with
├── SettingInvalid            a setting of the platform says what nobody understands
├── ImageMissing              the engine has the image of a release no more
├── DecisionLogBroken         the decision log's hash chain does not hold
├── OnlineStoreUnreachable    the online store cannot be read
│   └── LookupsPaused         it failed again and again, and is left alone for a moment
├── PredictionLogFull         an answer cannot be written to the journal, and so is not given
├── PredictionStoreUnreachable the prediction store cannot be written or read
├── PredictionsRefused        the prediction store refuses records for their content
├── BundleBroken              a served model's bundle lacks a file or contradicts itself
└── RequestInvalid            a prediction request that cannot be answered
    ├── RequestMalformed      its body is no JSON
    ├── RequestUnreadable     its body is of a type or an encoding that the route does not read
    └── RequestTooLarge       its body has too many bytes
```
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

EXAMPLES = 5


def some(items: Iterable[object], limit: int = EXAMPLES) -> str:
    """The first few items as text, with a count of the rest: `a, b and 7 more`."""
    listed = [str(item) for item in items]
    shown = ", ".join(listed[:limit])
    return shown if len(listed) <= limit else f"{shown} and {len(listed) - limit} more"


class ContenderError(Exception):
    """An error that says what, where, expected, got and what to do next.

    Args:
        what: What went wrong, as a sentence without its full stop.
        where: The stage, table, field or file it went wrong in.
        expected: What would have been accepted.
        got: What was there instead.
        next_step: What the reader should do now.

    The five facts stay readable as attributes of the same names.
    """

    def __init__(
        self, what: str, *, where: str = "", expected: object = "", got: object = "", next_step: str = ""
    ) -> None:
        self.what, self.where, self.next_step = what, where, next_step
        self.expected, self.got = str(expected), str(got)
        facts = (("where", where), ("expected", self.expected), ("got", self.got), ("next", next_step))
        super().__init__("; ".join([what, *(f"{name}: {value}" for name, value in facts if value)]))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the facts: keyword-only arguments defeat the default of `Exception`."""
        return _rebuild, (type(self), self.what, self.where, self.expected, self.got, self.next_step)


def _rebuild(
    kind: type[ContenderError], what: str, where: str, expected: str, got: str, next_step: str
) -> ContenderError:
    return kind(what, where=where, expected=expected, got=got, next_step=next_step)


class SpecError(ContenderError):
    """A model's declaration cannot work."""


class IntervalError(ContenderError):
    """The interval is malformed or has no data."""


class DataError(ContenderError):
    """The rows cannot be used."""


class ValidationFailed(DataError):
    """A critical expectation failed; nothing was written."""


class RowsNotConserved(DataError):
    """A join or load lost or multiplied rows."""


class SourceUnreadable(DataError):
    """A table's source cannot be read as its declaration says; nothing was written."""


class StaleFeatures(DataError):
    """A feature table, or a row that a prediction needs, is older than its freshness limit."""


class NoLabels(DataError):
    """No row of the window has a label."""


class NoValues(DataError):
    """An input has no value in any row that a model is to be fitted on."""


class TableContended(ContenderError):
    """Other processes wrote a table of the lake at every attempt to write it."""


class TableVersionGone(ContenderError):
    """A version of a table of the lake cannot be read any more."""


class ScaffoldRefused(ContenderError):
    """A new model cannot be made of what was given, or one not be removed; no file was written or removed."""


class UpgradeRefused(ContenderError):
    """Another version of the platform cannot be compared with this one."""


class TrackingUnreachable(ContenderError):
    """MLflow does not answer."""


class ModelNotFaithful(ContenderError):
    """No stored form of the model scores as the fitted one does."""


class EngineUnavailable(ContenderError):
    """No Docker engine answers."""


class EngineCallRefused(ContenderError):
    """A call that the engine is not to be asked."""


class ImageFailed(ContenderError):
    """The image could not be built or started."""


class RegistryRefused(ContenderError):
    """The registry does not take or give the image, or has another one."""


class RegistryUnreachable(ContenderError):
    """The registry does not answer."""


class GoldenRequestsFailed(ContenderError):
    """The served model answers otherwise than the trained one."""


class SelfTestFailed(ContenderError):
    """The gate got a case wrong whose outcome is known; nothing was decided."""


class ChampionUnrecorded(ContenderError):
    """The alias champion is on no version whose promotion is on record; nothing was measured, decided or moved."""


class EvidenceStale(ContenderError):
    """The evidence is of another model, holdout, champion or policy than the one to decide on; nothing was decided."""


class OverrideRefused(ContenderError):
    """A person's word may not go before the gate's; the gate's own decision is on record."""


class PromotionRefused(ContenderError):
    """The alias may not be moved."""


class ReleaseMissing(ContenderError):
    """A version has no release manifest."""


class ReleaseBroken(ContenderError):
    """A part of a release is not what was released."""


class ReleaseTooOld(ContenderError):
    """A release lacks what the platform did not keep yet when it was made, so that a part of it cannot be checked."""


class SigningKeyUnusable(ContenderError):
    """There is no key that a release can be signed or verified with."""


class SettingInvalid(ContenderError):
    """A setting of the platform says what nobody understands."""


class ImageMissing(ContenderError):
    """The engine does not have the image of a release any more."""


class DecisionLogBroken(ContenderError):
    """The decision log's hash chain does not hold."""


class OnlineStoreUnreachable(ContenderError):
    """The online store cannot be read."""


class PredictionLogFull(ContenderError):
    """An answer cannot be written to the journal, and so is not given."""


class PredictionStoreUnreachable(ContenderError):
    """The prediction store cannot be written or read now."""


class PredictionsRefused(ContenderError):
    """The prediction store refuses records for their content; nothing of the batch was stored."""


class LookupsPaused(OnlineStoreUnreachable):
    """The online store failed again and again; for a moment it is not asked.

    Attributes:
        retry_after_s: After how many seconds it is worth asking again.
    """

    retry_after_s: float = 1.0


class BundleBroken(ContenderError):
    """A served model's bundle lacks a file or contradicts itself."""


class RequestInvalid(ContenderError):
    """A prediction request that cannot be answered.

    Attributes:
        problems: One entry for each field found at fault: `index`, `field`, `problem`, `value`, `allowed`.
    """

    problems: tuple[dict[str, Any], ...] = ()


class RequestMalformed(RequestInvalid):
    """The body of a prediction request is no JSON."""


class RequestUnreadable(RequestInvalid):
    """The body of a prediction request is of a type or an encoding that the route does not read."""


class RequestTooLarge(RequestInvalid):
    """The body of a prediction request has too many bytes."""
