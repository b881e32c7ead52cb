from __future__ import annotations

import socket
from pathlib import Path

import pytest

from contender.embedded.ports import FIRST, HOST, Claims, Ports, PortTaken, choose_ports, free_port, is_free


def test_choose_ports_nothing_remembered_takes_first_free_ones() -> None:
    ports = choose_ports({}, user={}, free=lambda port: port != FIRST["airflow"])
    assert ports.airflow == FIRST["airflow"] + 1
    assert ports.mlflow == FIRST["mlflow"]
    assert len(set(ports.facts().values())) == len(FIRST)


def test_choose_ports_remembered_and_free_keeps_them() -> None:
    remembered = {name: 20_000 + number for number, name in enumerate(FIRST)}
    assert choose_ports(remembered, user={}, free=lambda _: True) == Ports(**remembered)


def test_choose_ports_remembered_taken_by_another_chooses_anew() -> None:
    ports = choose_ports({"airflow": 20_000}, user={}, free=lambda port: port != 20_000)
    assert ports.airflow == FIRST["airflow"]


def test_choose_ports_remembered_taken_by_ourselves_keeps_it() -> None:
    ports = choose_ports({"airflow": 20_000}, ours=[20_000], user={}, free=lambda port: port != 20_000)
    assert ports.airflow == 20_000


def test_choose_ports_user_set_wins_over_remembered() -> None:
    ports = choose_ports({"mlflow": 20_000}, user={"CONTENDER_PORT_MLFLOW": "20001"}, free=lambda _: True)
    assert ports.mlflow == 20_001


def test_choose_ports_user_set_equals_another_ones_first_never_shares_it() -> None:
    user = {"CONTENDER_PORT_SERVING": str(FIRST["airflow"])}
    ports = choose_ports({}, user=user, free=lambda _: True)
    assert (ports.serving, ports.airflow) == (FIRST["airflow"], FIRST["airflow"] + 1)


@pytest.mark.parametrize("text", ["http", "80", "70000", "-1"])
def test_choose_ports_user_set_no_port_names_the_variable(text: str) -> None:
    with pytest.raises(PortTaken, match="CONTENDER_PORT_AIRFLOW"):
        choose_ports({}, user={"CONTENDER_PORT_AIRFLOW": text}, free=lambda _: True)


def test_choose_ports_user_set_taken_says_so() -> None:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        taken = str(server.getsockname()[1])
        with pytest.raises(PortTaken, match=f"port {taken} belongs to another program"):
            choose_ports({}, user={"CONTENDER_PORT_MLFLOW": taken})


def test_is_free_listening_socket_is_not() -> None:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        assert not is_free(server.getsockname()[1])


def test_free_port_all_taken_says_which_range() -> None:
    with pytest.raises(PortTaken, match="9000 to 9399"):
        free_port(9000, free=lambda _: False)


def test_claims_two_starts_at_once_share_no_port(tmp_path: Path) -> None:
    with Claims(tmp_path) as one, Claims(tmp_path) as other:
        first = choose_ports({}, user={}, free=one.free)
        second = choose_ports({}, user={}, free=other.free)
        assert set(first.facts().values()).isdisjoint(second.facts().values())
        with pytest.raises(PortTaken, match=f"port {first.mlflow} belongs to another program"):
            choose_ports({}, user={"CONTENDER_PORT_MLFLOW": str(first.mlflow)}, free=other.free)


def test_claims_end_with_their_block_and_are_kept_within(tmp_path: Path) -> None:
    port = free_port(20_000)
    with Claims(tmp_path) as one:
        assert one.free(port)
        assert one.free(port)
        assert not Claims(tmp_path).free(port)
    with Claims(tmp_path) as other:
        assert other.free(port)


def test_claims_port_in_use_is_not_free_and_not_claimed(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as server, Claims(tmp_path) as one:
        port = server.getsockname()[1]
        assert not one.free(port)
        server.close()
        with Claims(tmp_path) as other:
            assert other.free(port)
