"""Signatures of releases: DSSE envelopes by Ed25519 keys, made and checked by securesystemslib.

The signing key is `CONTENDER_SIGNING_KEY`'s; where none is set, the platform makes a pair once in `<home>/keys`. Public
keys lie beside it as `*.pub`, and those are trusted, or what `CONTENDER_TRUSTED_KEYS` names instead.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError, UnverifiedSignatureError, VerificationError
from securesystemslib.signer import CryptoSigner, Key, SSlibKey

from contender.core.errors import ReleaseBroken, SigningKeyUnusable
from contender.core.settings import Settings

log = logging.getLogger(__name__)

SETTING = "CONTENDER_SIGNING_KEY"
PRIVATE = "signing.pem"
PEM = "-----BEGIN"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
NEXT = f"say make signing-key, and set {SETTING} to the private key's file, or unset it for the platform's own"


@dataclass(frozen=True)
class Signed:
    """A signed statement whose signature holds.

    Attributes:
        payload: What was signed.
        key: ID of the trusted key that signed it.
    """

    payload: bytes
    key: str


def signer(places: Settings) -> CryptoSigner:
    """The signer of this platform; its public key lies in `<home>/keys` from then on.

    Raises:
        SigningKeyUnusable: The key that is set is none.
    """
    given = places.signing_key
    if given and PEM not in given:
        given = _text(Path(given), SETTING)
    found = _signer_of(given, SETTING) if given else _own(places.keys)
    _publish(found, places.keys)
    return found


def make_pair(folder: Path) -> str:
    """Make a key pair, `signing.pem` (which its owner alone may read) and `<id>.pub`; returns the key's ID.

    Raises:
        SigningKeyUnusable: There is one already; it is left as it is.
    """
    made = CryptoSigner.generate_ed25519()
    if not _place(folder, made):
        raise SigningKeyUnusable(
            "there is a signing key already", where=str(folder / PRIVATE), expected="no file", got="one",
            next_step="keep it, or move it away first: what it signed is verified by its public key alone",
        )  # fmt: skip
    _publish(made, folder)
    return str(made.public_key.keyid)


def sign(payload: bytes, by: CryptoSigner) -> bytes:
    """The envelope as JSON: the same for the same payload and key, as Ed25519 has it."""
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(by)
    return json.dumps(envelope.to_dict(), indent=1, sort_keys=True).encode() + b"\n"


def opened(envelope: bytes, keys: Iterable[Key]) -> Signed:
    """What an envelope holds, once a trusted key's signature holds and every byte of it is as `sign` writes it.

    Raises:
        ReleaseBroken: It is malformed, of another type, or no trusted key signed it.
    """
    known = list(keys)
    try:
        # The library takes the signatures out of what it is given.
        read = Envelope.from_dict(json.loads(envelope))
        by = read.verify(known, 1)
    except (VerificationError, UnverifiedSignatureError) as error:
        raise _broken("no trusted key signed it", f"one of {_ids(known)}", error) from error
    except (ValueError, KeyError, TypeError, AttributeError, FormatError) as error:
        raise _broken("it is no signed envelope", "a DSSE envelope", error) from error
    if read.payload_type != PAYLOAD_TYPE:
        raise _broken("it holds something else than a statement", PAYLOAD_TYPE, read.payload_type)
    # Base64 and JSON have several forms of the same; a release has one.
    if json.dumps(read.to_dict(), indent=1, sort_keys=True).encode() + b"\n" != envelope:
        raise _broken("it was changed outside what is signed", "the envelope as it was written", "another form of it")
    return Signed(read.payload, next(iter(by)))


def trusted(places: Settings) -> tuple[SSlibKey, ...]:
    """The public keys that a release may be signed with.

    Raises:
        SigningKeyUnusable: There is none, or one cannot be read.
    """
    named = [Path(part) for part in places.trusted_keys.split(os.pathsep) if part] or [places.keys]
    files = [file for path in named for file in (sorted(path.glob("*.pub")) if path.is_dir() else [path])]
    if not files or not all(file.is_file() for file in files):
        raise SigningKeyUnusable(
            "there is no public key to verify with", where=", ".join(map(str, named)), expected="files *.pub",
            got=", ".join(str(file) for file in files if not file.is_file()) or "none",
            next_step="set CONTENDER_TRUSTED_KEYS to the public keys of whoever releases",
        )  # fmt: skip
    return tuple(_public(file) for file in files)


def _own(folder: Path) -> CryptoSigner:
    if not (folder / PRIVATE).exists() and _place(folder, CryptoSigner.generate_ed25519()):
        log.warning("no %s is set: a key pair was made once in %s", SETTING, folder)
    return _signer_of(_text(folder / PRIVATE, str(folder / PRIVATE)), str(folder / PRIVATE))


def _place(folder: Path, made: CryptoSigner) -> bool:
    """Whether this key is the folder's now: of several processes at once one makes it, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = folder / f".{PRIVATE}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(made.private_bytes)
    try:
        os.link(draft, folder / PRIVATE)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _publish(of: CryptoSigner, folder: Path) -> None:
    key = of.public_key
    content = load_pem_private_key(of.private_bytes, None).public_key()
    text = content.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path = folder / f"{key.keyid[:16]}.pub"
    if path.exists() and path.read_bytes() == text:
        return
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(text)
    os.replace(draft, path)


def _signer_of(pem: str, where: str) -> CryptoSigner:
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(where, "an unencrypted private key in PEM", type(error).__name__) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(where, "an Ed25519 key", type(key).__name__)
    return CryptoSigner(key)


def _public(file: Path) -> SSlibKey:
    try:
        return SSlibKey.from_crypto(load_pem_public_key(_text(file, str(file)).encode()))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unusable(str(file), "a public key in PEM", error) from error


def _text(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(where, "a key in PEM, or the path of a file of it", type(error).__name__) from error


def _unusable(where: str, expected: str, got: object) -> SigningKeyUnusable:
    return SigningKeyUnusable("the key cannot be used", where=where, expected=expected, got=got, next_step=NEXT)


def _ids(keys: list[Key]) -> str:
    return ", ".join(key.keyid[:16] for key in keys)


def _broken(what: str, expected: object, got: Any) -> ReleaseBroken:
    return ReleaseBroken(
        what, where="the signed statement", expected=expected, got=str(got)[:200],
        next_step="restore the release from a backup, or trust the key that signed it",
    )  # fmt: skip
