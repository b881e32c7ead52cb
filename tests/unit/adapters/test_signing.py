from __future__ import annotations

import dataclasses
import stat
from multiprocessing import get_context
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from contender.adapters import signing
from contender.core.errors import ReleaseBroken, SigningKeyUnusable
from contender.core.settings import Settings, settings

PAYLOAD = b'{"a":1}'


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("CONTENDER_HOME", str(tmp_path))
    return settings()


def test_platform_without_a_key_makes_one_once_for_its_owner_alone(places: Settings) -> None:
    first, second = signing.signer(places), signing.signer(places)
    assert first.public_key.keyid == second.public_key.keyid
    assert stat.S_IMODE((places.keys / signing.PRIVATE).stat().st_mode) == 0o600
    assert sorted(path.name for path in places.keys.iterdir()) == [f"{first.public_key.keyid[:16]}.pub", "signing.pem"]
    assert signing.opened(signing.sign(PAYLOAD, first), signing.trusted(places)).key == first.public_key.keyid


def made(home: Path) -> str:
    return str(signing.signer(dataclasses.replace(settings(), home=home)).public_key.keyid)


def test_processes_that_make_the_key_at_once_have_one(tmp_path: Path) -> None:
    with get_context("spawn").Pool(3) as pool:
        assert len(set(pool.map(made, [tmp_path] * 3))) == 1


def test_signature_is_the_same_again(places: Settings) -> None:
    assert signing.sign(PAYLOAD, signing.signer(places)) == signing.sign(PAYLOAD, signing.signer(places))


def test_envelope_with_any_byte_changed_is_refused(places: Settings) -> None:
    envelope, trusted = signing.sign(PAYLOAD, signing.signer(places)), signing.trusted(places)
    for place in range(len(envelope)):
        changed = bytearray(envelope)
        changed[place] ^= 1
        with pytest.raises(ReleaseBroken):
            signing.opened(bytes(changed), trusted)


def test_envelope_of_a_key_that_is_not_trusted_is_refused(places: Settings, tmp_path: Path) -> None:
    envelope = signing.sign(PAYLOAD, signing.signer(places))
    other = signing.make_pair(tmp_path / "other")
    elsewhere = dataclasses.replace(places, trusted_keys=str(tmp_path / "other"))
    with pytest.raises(ReleaseBroken, match=rf"no trusted key signed it.*{other[:16]}"):
        signing.opened(envelope, signing.trusted(elsewhere))


def test_key_that_is_set_signs_as_a_file_and_as_text(places: Settings, tmp_path: Path) -> None:
    key, file = signing.make_pair(tmp_path / "pair"), tmp_path / "pair" / "signing.pem"
    for given in (str(file), file.read_text()):
        signer = signing.signer(dataclasses.replace(places, signing_key=given))
        assert signer.public_key.keyid == key
    assert not (places.keys / signing.PRIVATE).exists()
    assert given not in repr(dataclasses.replace(places, signing_key=given))


def test_pair_is_not_made_over_another(tmp_path: Path) -> None:
    signing.make_pair(tmp_path)
    before = (tmp_path / signing.PRIVATE).read_bytes()
    with pytest.raises(SigningKeyUnusable, match="there is a signing key already"):
        signing.make_pair(tmp_path)
    assert (tmp_path / signing.PRIVATE).read_bytes() == before


def test_key_that_is_none_is_refused_without_being_told(places: Settings, tmp_path: Path) -> None:
    rsa = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for given, expected in ((str(tmp_path / "none"), "path of a file"), (rsa, "an Ed25519 key"), (rsa[:99], "in PEM")):
        with pytest.raises(SigningKeyUnusable, match=expected) as raised:
            signing.signer(dataclasses.replace(places, signing_key=given))
        assert rsa[60:90] not in str(raised.value)


def test_nothing_to_verify_with_is_refused(places: Settings, tmp_path: Path) -> None:
    with pytest.raises(SigningKeyUnusable, match="CONTENDER_TRUSTED_KEYS"):
        signing.trusted(places)
    with pytest.raises(SigningKeyUnusable, match=r"got: .*absent\.pub"):
        signing.trusted(dataclasses.replace(places, trusted_keys=str(tmp_path / "absent.pub")))
