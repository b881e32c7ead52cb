"""A champion set back by hand, past the platform: the log tells of it once it is found, and of what follows."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from contender.adapters.tracking import Tracking
from contender.core import naming
from tests.faults.test_promote_kill import again, ends, in_child, killed_at, places
from tests.tiny_platform import MODEL, Tiny, champion, moves, records, watch_alias

PROMOTIONS = ["version 1", "version 2"]


def promotions(home: Path) -> list[str]:
    return [record.subject for record in records(home) if record.kind == "promotion"]


def rolled_back(tiny: Tiny) -> None:
    """Version 2 was promoted and set back to version 1 by hand; then its run's gate was cleared and decided again."""
    tiny.better.to_release()
    assert promotions(tiny.home) == PROMOTIONS
    Tracking(MODEL).set_alias(naming.CHAMPION, "1")
    tiny.better.measure()
    assert tiny.better.decide() == "gate.promote"


def test_release_after_a_rollback_by_hand_records_both_moves_once(tiny: Tiny) -> None:
    rolled_back(tiny)
    for _ in range(2):
        tiny.better.release()
        assert champion(tiny.home) == "2"
        assert promotions(tiny.home) == [*PROMOTIONS, "version 1", "version 2"]
    found = [record for record in records(tiny.home) if record.kind == "promotion"][2]
    assert (found.actor, found.verdict, found.evidence_digest) == ("unknown", None, "")
    assert found.reasons == ("found as champion: the alias was moved past the platform, from version 2",)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_release_after_a_rollback_killed_before_and_after_each_change_records_both_moves_once(
    tiny: Tiny, tmp_path: Path
) -> None:
    rolled_back(tiny)
    watch_alias(tiny.home)
    home = tmp_path / "other"
    again(tiny.home, home)
    chosen = ends(places(home, tiny.better))
    for place in chosen:
        again(tiny.home, home)
        assert in_child(home, lambda place=place: killed_at(place, tiny.better)) == -signal.SIGKILL, place
        assert in_child(home, tiny.better.release) == 0, place
        assert moves(home) == ["2"], place
        assert promotions(home) == [*PROMOTIONS, "version 1", "version 2"], place
    assert len(chosen) > 8
