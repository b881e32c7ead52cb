from __future__ import annotations

from typing import Any

import pytest

from contender.stack.inside import PARTS, PATIENCE_SECONDS, Unwell, Watch

WELL = {part: {"status": "healthy"} for part in PARTS}


def test_watch_part_down_for_a_restart_is_waited_for_then_told() -> None:
    now, health = [0.0], [dict[str, Any](WELL)]
    watch = Watch(lambda: health[0], lambda: now[0])
    health[0] = {**WELL, "scheduler": {"status": "unhealthy"}}
    now[0] = PATIENCE_SECONDS - 1.0
    watch()
    health[0] = WELL
    watch()
    health[0] = {}
    now[0] += PATIENCE_SECONDS
    watch()
    now[0] += 1
    with pytest.raises(Unwell, match="metadatabase None"):
        watch()
