"""The circuit breaker before the online store: after some failures in a row it is left alone for a while.

```
closed ── FAILURES in a row ──▶ open ── PAUSE_S later, with the next request ──▶ half_open
   ▲                              ▲                                               │     │
   └────────── it succeeds ───────│───────────────────────────────────────────────┘     │
                                  └────────────────────── it fails ─────────────────────┘
```

While it is half open one request goes through, the probe; all others are refused as while it is open.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

# A single lost connection, or a restart that is over within a few requests, does not open it.
FAILURES = 5
PAUSE_S = 1.0

State = Literal["closed", "open", "half_open"]
STATES: tuple[State, ...] = ("closed", "open", "half_open")


class Breaker:
    """Whether to ask, by how it went before. For one thread.

    Args:
        failures: How many in a row open it.
        pause_s: How long it stays open before a probe, in seconds.
        clock: Seconds that only go forward.

    Attributes:
        state: Where it stands.
        opened: How often it has opened.
        reason: What the last failure was.

    >>> breaker = Breaker(failures=1, clock=lambda: 0.0)
    >>> breaker.failed(TimeoutError("no answer"))
    >>> breaker.state, breaker.admit()
    ('open', 1.0)
    """

    def __init__(
        self, *, failures: int = FAILURES, pause_s: float = PAUSE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._failures, self.pause_s, self._clock = failures, pause_s, clock
        self.state: State = "closed"
        self.opened = 0
        self.reason: BaseException | None = None
        self._in_a_row = 0
        self._until = 0.0

    def admit(self) -> float:
        """0 where a request may go; it is then to report how it went. Otherwise how many seconds to leave it alone."""
        if self.state == "closed":
            return 0.0
        left = self._until - self._clock()
        if self.state == "open" and left <= 0:
            self.state = "half_open"
            return 0.0
        return left if left > 0 else self.pause_s

    def succeeded(self) -> None:
        """A request that was admitted got its answer."""
        self.state, self._in_a_row, self.reason = "closed", 0, None

    def failed(self, reason: BaseException) -> None:
        """A request that was admitted failed."""
        self._in_a_row += 1
        self.reason = reason
        if self.state == "half_open" or (self.state == "closed" and self._in_a_row >= self._failures):
            self.state = "open"
            self.opened += 1
            self._until = self._clock() + self.pause_s
