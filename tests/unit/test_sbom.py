from __future__ import annotations

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from contender.core.settings import CHECKOUT
from contender.stages import sbom
from contender.stages.sbom import Subject

LOCK = (CHECKOUT / "docker" / "serving" / "requirements.txt").read_text(encoding="utf-8")
STATUS = b"""Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl (3.0.1-2)
Version: 3.0.1-2+b1
Description: a library
 Version: not this one

Package: gone
Status: deinstall ok config-files
Version: 1

Package: bash
Status: install ok installed
Version: 5.2
"""
FILES = {
    "/packages/numpy-2.4.6.dist-info/METADATA": b"Metadata-Version: 2.4\nName: numpy\nVersion: 2.4.6\n"
    b"License-Expression: BSD-3-Clause AND MIT\n\nLicense: not this one\n",
    "/packages/Prometheus_Client-1.dist-info/METADATA": b"Name: Prometheus_Client\nVersion: 1\n"
    b"License: UNKNOWN\nClassifier: License :: OSI Approved :: Apache Software License\n",
    "/packages/numpy/METADATA": b"Name: not one\nVersion: 1\n",
    sbom.DPKG: STATUS,
    sbom.OS_RELEASE: b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
}
SUBJECT = Subject("flight_delay", "3", "a" * 64, f"sha256:{'b' * 64}")


def test_installed_lists_python_debian_and_the_interpreter() -> None:
    found = {package.purl: package for package in sbom.installed(FILES, {"PYTHON_VERSION": "3.11.9"}, LOCK)}
    assert list(found) == [
        "pkg:deb/debian/bash@5.2?distro=debian-12&upstream=bash%405.2",
        "pkg:deb/debian/libssl3@3.0.1-2%2Bb1?arch=amd64&distro=debian-12&upstream=openssl%403.0.1-2",
        "pkg:generic/python@3.11.9",
        "pkg:pypi/numpy@2.4.6",
        "pkg:pypi/prometheus-client@1",
    ]
    licences = {package.name: package.licence for package in found.values() if package.licence}
    assert licences == {"numpy": "BSD-3-Clause AND MIT", "Prometheus_Client": "Apache Software License",
                        "python": "PSF-2.0"}  # fmt: skip
    (ssl,) = (package for package in found.values() if package.name == "libssl3")
    assert (ssl.source, ssl.source_version, ssl.distribution) == ("openssl", "3.0.1-2", "debian-12")


def test_installed_of_an_image_that_keeps_no_metadata_lists_the_lock() -> None:
    assert sbom.installed({}, {}, LOCK) == sbom.locked(LOCK)


def test_locked_lists_what_would_be_installed_on_linux_and_nothing_else() -> None:
    lock = (
        'colorama==0.4.6 ; sys_platform == "win32" \\\n    --hash=sha256:aa\n'
        "numpy==2.4.6 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
        'uvloop==0.23.0 ; python_full_version < "3.12"\n'
    )
    assert [package.purl for package in sbom.locked(lock)] == ["pkg:pypi/numpy@2.4.6", "pkg:pypi/uvloop@0.23.0"]


def test_document_is_cyclonedx_and_the_same_again_in_whatever_order() -> None:
    packages = sbom.installed(FILES, {}, LOCK)
    first = sbom.document(SUBJECT, packages)
    assert first == sbom.document(SUBJECT, reversed(packages))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(first.decode()) is None
    content = json.loads(first)
    assert "timestamp" not in content["metadata"]
    assert content["metadata"]["component"]["purl"] == f"pkg:oci/flight-delay@sha256:{'b' * 64}"
    (model,) = (one for one in content["components"] if one["type"] == "machine-learning-model")
    assert model["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert len(content["components"]) == len(packages) + 1


def test_document_of_another_image_or_package_has_another_number() -> None:
    packages = sbom.installed(FILES, {}, LOCK)
    others = [
        sbom.document(SUBJECT, packages),
        sbom.document(SUBJECT, packages[1:]),
        sbom.document(Subject("flight_delay", "3", "a" * 64, f"sha256:{'c' * 64}"), packages),
    ]
    assert len({json.loads(one)["serialNumber"] for one in others}) == 3


def test_document_without_an_image_is_of_the_model() -> None:
    content = json.loads(sbom.document(Subject("flight_delay", "3", "a" * 64), sbom.locked(LOCK)))
    assert content["metadata"]["component"]["type"] == "machine-learning-model"
    assert {one["type"] for one in content["components"]} == {"library"}
