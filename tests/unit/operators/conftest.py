"""The made-up model's platform, for the operators of the gate."""

from __future__ import annotations

from tests.tiny_platform import tiny, tiny_base  # noqa: F401  fixtures
