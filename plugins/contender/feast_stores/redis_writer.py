"""Write an online store in Redis; `contender.adapters.online_redis` describes its form and reads it.

Each batch of rows is one script, which Redis runs whole or not at all and with nothing in between: writers at the same
time never take a row back in time. A load is many batches, so readers see it arrive row by row, each row newer than it
was; one that breaks off leaves rows of both loads, and is repaired by repeating it.

Lua's numbers are exact to 2^53: event times of the years 1684 to 2255 are compared to the microsecond.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from redis import Redis

from contender.adapters.online_redis import VIEWS, Declaration, connect, reaching, rows_key
from contender.core.errors import DataError
from contender.feast_stores.rows_writer import StoredRow, View, of_another_project

# Rows in one script: it holds up every reader, so it is to last milliseconds.
BATCH = 1_000

# Keys: views, rows. Arguments: view, declaration. Gives the project that has the name already, if it is another.
_DECLARE = """
local found = redis.call('HGET', KEYS[1], ARGV[1])
if found and found ~= ARGV[2] then
    local project = cjson.decode(found)['project']
    if project ~= cjson.decode(ARGV[2])['project'] then return project end
    redis.call('UNLINK', KEYS[2])
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
"""

# Arguments: view, declaration, then key and row in turns. Gives the number of rows written; -1 where the view is no
# longer declared so. The two times follow the first byte of a row, the head of a list of three.
_UPSERT = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return -1 end
local written = 0
for i = 3, #ARGV, 2 do
    local old, newer = redis.call('HGET', KEYS[2], ARGV[i]), true
    if old then
        local _, event, created = cmsgpack.unpack_limit(ARGV[i + 1], 2, 1)
        local _, old_event, old_created = cmsgpack.unpack_limit(old, 2, 1)
        newer = event > old_event
            or (event == old_event and (old_created == nil or (created ~= nil and created >= old_created)))
    end
    if newer then
        redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
        written = written + 1
    end
end
return written
"""

_encode_json = msgspec.json.Encoder().encode
_encode_row = msgspec.msgpack.Encoder().encode


class RedisWriter:
    """A `RowsWriter` over one client."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._declare, self._upsert = client.register_script(_DECLARE), client.register_script(_UPSERT)

    def declare_view(self, view: View) -> None:
        """See `RowsWriter`."""
        other = self._declare(keys=[VIEWS, rows_key(view.name)], args=[view.name, _declaration(view)])
        if other is not None:
            raise of_another_project(view, other.decode())

    def drop_view(self, name: str) -> None:
        """See `RowsWriter`."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hdel(VIEWS, name)
            pipe.unlink(rows_key(name))
            pipe.execute()

    def views_of(self, project: str) -> list[str]:
        """See `RowsWriter`."""
        declared: dict[bytes, bytes] = self._client.hgetall(VIEWS)  # type: ignore[assignment]  # async or not
        return [
            name.decode()
            for name, value in declared.items()
            if msgspec.json.decode(value, type=Declaration).project == project
        ]

    def upsert(self, view: View, rows: Sequence[StoredRow]) -> int:
        """See `RowsWriter`.

        Raises:
            DataError: The view was dropped or declared otherwise meanwhile; what is left to write is not written.
        """
        keys, total = [VIEWS, rows_key(view.name)], 0
        for start in range(0, len(rows), BATCH):
            pairs = [part for row in rows[start : start + BATCH] for part in _pair(row)]
            written = self._upsert(keys=keys, args=[view.name, _declaration(view), *pairs])
            if written < 0:
                raise DataError(
                    f"feature view {view.name} was dropped or declared otherwise while it was loaded",
                    where="online store",
                    expected=f"project {view.project}, join keys {', '.join(view.join_keys) or 'none'}",
                    next_step="load it again once the feature repository is applied",
                )
            total += written
        return total


@contextmanager
def writing(url: str, timeout_s: float) -> Iterator[RedisWriter]:
    """A writer whose errors are ours.

    Raises:
        OnlineStoreUnreachable: The URL is malformed, the server does not answer in time or refuses.
    """
    with reaching(url, timeout_s, "written"), connect(url, timeout_s) as client:
        yield RedisWriter(client)


def _pair(row: StoredRow) -> tuple[str, bytes]:
    key, event_us, created_us, payload = row
    return key, _encode_row((event_us, created_us, msgspec.Raw(payload)))


def _declaration(view: View) -> bytes:
    return _encode_json(Declaration(view.project, view.join_keys))
