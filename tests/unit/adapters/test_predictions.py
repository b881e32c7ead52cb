from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest

from contender.adapters.predictions import TABLE, Predictions, Record, open_predictions
from contender.core.errors import PredictionsRefused, PredictionStoreUnreachable
from tests.docs.pages import example
from tests.predictions import ids, libpq, line, stored

START = datetime(2026, 3, 1, tzinfo=UTC)


@contextmanager
def opened(address: str, timeout_s: float = 10.0) -> Iterator[Predictions]:
    with closing(open_predictions(address, timeout_s)) as store:
        yield store


def record(number: int, **changes: object) -> Record:
    given = {
        "request_id": f"00000000-0000-7000-8000-{number:012x}", "client_id": None,
        "time": START + timedelta(hours=number),
        "model": "tiny", "version": "3", "variant": "stable", "endpoint": "/predict", "latency_ms": 1.25,
        "entities": [{"origin": "JFK"}], "at": [START], "features": [["JFK", 1.5, None], ["é", -2e-300, 3.0]],
        "unknown": [{"missing": ["x"]}], "predictions": [[0.25, 0.75], 0.1],
    }  # fmt: skip
    return Record(**(given | changes))  # type: ignore[arg-type]


def lines(*records: Record) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in records)


def test_write_then_read_gives_the_records_by_time(predictions_address: str) -> None:
    kept = [record(2), record(1, client_id="ab", entities=None, at=None, unknown=None), record(3, variant="canary")]
    others = [record(9, model="other"), record(5)]
    with opened(predictions_address) as store:
        assert store.write(lines(*kept, *others)) == 5
        found = list(store.read("tiny", START + timedelta(hours=1), START + timedelta(hours=5)))
    assert found == sorted(kept, key=lambda one: one.time)


def test_write_again_changes_nothing(predictions_address: str) -> None:
    with opened(predictions_address) as store:
        assert store.write(lines(record(1), record(2))) == 2
        assert store.write(lines(record(2), record(1, version="9"), record(3), record(3))) == 1
        found = list(store.read("tiny", START, START + timedelta(days=1)))
    assert [(one.request_id[-1], one.version) for one in found] == [("1", "3"), ("2", "3"), ("3", "3")]


def test_documented_reading_prints_the_predictions(
    predictions_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(predictions_address) as store:
        store.write(lines(record(1, model="flight_delay"), record(2, model="flight_delay", predictions=[0.5])))
    given = {"address": predictions_address, "since": START, "until": START + timedelta(days=1)}
    exec(example("docs/serving-log.md", "predictions"), given)  # noqa: S102
    assert capsys.readouterr().out == "3 stable [[0.25, 0.75], 0.1]\n3 stable [0.5]\n"


def test_documented_deletion_takes_what_is_older_and_of_that_model(predictions_address: str) -> None:
    edge = datetime(2026, 1, 1, tzinfo=UTC)
    moments = {1: edge - timedelta(microseconds=1), 2: edge, 3: edge - timedelta(days=400)}
    made = [record(number, model="flight_delay", time=time) for number, time in moments.items()]
    with opened(predictions_address) as store:
        store.write(lines(*made, record(4, time=edge - timedelta(days=400))))
        statement = example("docs/serving-log.md", "prune")
        if "://" in predictions_address:
            with psycopg.connect(predictions_address) as server:
                server.execute(statement)
        else:
            with closing(sqlite3.connect(predictions_address)) as file, file:
                file.execute(statement)
    assert [one[-1] for one in stored(predictions_address)] == ["2", "4"]


def test_read_of_many_records_loses_none(predictions_address: str) -> None:
    made = [record(number, time=START) for number in range(1203)]  # all of one moment, and more than one fetch
    with opened(predictions_address) as store:
        store.write(lines(*made))
        assert list(store.read("tiny", START, START + timedelta(seconds=1))) == made


def test_write_nul_characters_are_replaced_and_refuse_nothing(predictions_address: str) -> None:
    given = [record(1, client_id="a\0b", features=[["x\0", 1.0]]), record(2, features=[["\\u0000", 1.0]])]
    with opened(predictions_address) as store:
        assert store.write(lines(*given)) == 2
        found = list(store.read("tiny", START, START + timedelta(days=1)))
    assert [one.features for one in found] == [[["x�", 1.0]], [["\\u0000", 1.0]]]
    assert found[0].client_id == "a�b"


@pytest.mark.parametrize(
    "poison",
    [b"no json\n", b'{"request_id":"x"\n', b"{}\n", b"17\n", b'["a"]\n', b'{"request_id":null}\n', b"\xff\xfe\n"],
    ids=["word", "half", "empty", "number", "list", "null id", "no utf-8"],
)
def test_write_poison_is_refused_with_all_of_its_batch(predictions_address: str, poison: bytes) -> None:
    good = line()
    with opened(predictions_address) as store:
        with pytest.raises(PredictionsRefused) as raised:
            store.write(good + poison)
        assert raised.value.got
        assert store.write(good) == 1
    assert stored(predictions_address) == ids(good)


def test_table_is_made_by_several_that_start_at_once(predictions_address: str) -> None:
    batches, failures = [line() for _ in range(8)], []

    def write(batch: bytes) -> None:
        try:
            with opened(predictions_address) as store:
                store.write(batch)
        except (PredictionStoreUnreachable, PredictionsRefused) as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert stored(predictions_address) == sorted(ids(b"".join(batches)))


def test_file_that_another_process_holds_is_unreachable_and_then_not(tmp_path: Path) -> None:
    path = str(tmp_path / "folder" / "predictions.db")
    with opened(path, 0.05) as store:
        store.write(line())
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(PredictionStoreUnreachable, match=r"locked"):
                store.write(line())
        assert store.write(line()) == 1


def test_file_that_was_taken_away_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "predictions.db"
    with opened(str(path)) as store:
        store.write(line())
        for file in tmp_path.glob("predictions.db*"):
            file.unlink()
        store.write(second := line())
        assert stored(str(path)) == ids(second)


def test_file_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with opened(str(tmp_path / "absent.db")) as store, pytest.raises(PredictionStoreUnreachable, match=r"no such file"):
        list(store.read("tiny", START, START + timedelta(days=1)))


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:se%cret@h/db", "postgresql://u:secret@h:port/db", "postgresql://u:secret@[h/db", "mysql://u:secret@h"],
    ids=["percent", "port", "bracket", "kind"],
)  # fmt: skip
def test_malformed_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(PredictionStoreUnreachable) as raised, opened(url) as store:
        store.write(line())
    assert "secret" not in str(raised.value)
    assert "se%cret" not in str(raised.value)


def test_server_that_refuses_the_account_or_is_not_there_is_named_without_password(postgres: str) -> None:
    url = libpq(postgres)
    wrong = url.replace("p%40ss%2Fword", "not-the-secret")
    nobody = url.replace(url.rpartition(":")[2], "1/postgres")
    for address in (wrong, nobody):
        with opened(address, 2.0) as store, pytest.raises(PredictionStoreUnreachable) as raised:
            store.write(line())
        for word in ("not-the-secret", "p@ss/word", "p%40ss"):
            assert word not in str(raised.value)
        assert raised.value.where.startswith("postgresql://127.0.0.1:")


def test_server_that_cuts_the_connection_is_asked_over_a_new_one(postgres: str) -> None:
    url = libpq(postgres)
    with opened(url) as store:
        store.write(line())
        with psycopg.connect(url) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
                          ("contender predictions",))  # fmt: skip
        with pytest.raises(PredictionStoreUnreachable):
            store.write(line())
        assert store.write(line()) == 1


def test_server_that_hangs_is_given_up(postgres: str) -> None:
    url = libpq(postgres)
    with opened(url, 0.1) as store:
        store.write(line())
        pid = store._connection.info.backend_pid  # type: ignore[attr-defined]
        os.kill(pid, signal.SIGSTOP)  # it keeps no time-out any more
        try:
            with pytest.raises(PredictionStoreUnreachable):
                store.write(line())
        finally:
            os.kill(pid, signal.SIGCONT)
        assert store.write(line()) == 1


def test_table_that_is_locked_is_given_up(postgres: str) -> None:
    url = libpq(postgres)
    with opened(url, 0.1) as store:
        store.write(line())
        with psycopg.connect(url) as other:
            other.execute(f"LOCK TABLE {TABLE}")
            with pytest.raises(PredictionStoreUnreachable, match=r"timeout"):
                store.write(line())


def test_account_that_may_only_insert_and_select_is_enough(postgres: str) -> None:
    url = libpq(postgres)
    with opened(url) as store:
        store.write(line())
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("CREATE ROLE writer LOGIN PASSWORD 'w'")
        owner.execute(f"GRANT SELECT, INSERT ON {TABLE} TO writer")
        try:
            with opened(url.replace("tests:p%40ss%2Fword", "writer:w")) as store:
                assert store.write(line()) == 1
        finally:
            owner.execute("DROP OWNED BY writer")
            owner.execute("DROP ROLE writer")
