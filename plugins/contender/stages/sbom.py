"""Bill of materials of a serving image, in CycloneDX's form: the same image has the same one, to the byte."""

from __future__ import annotations

import email.parser
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.markers import default_environment
from packaging.requirements import Requirement

from contender.core.inventory import Package
from contender.core.naming import image_repository

METADATA = re.compile(r"/[^/]+\.dist-info/METADATA$")
DPKG = "/var/lib/dpkg/status"
OS_RELEASE = "/usr/lib/os-release"
WANTED = rf"{METADATA.pattern}|^{DPKG}$|^{OS_RELEASE}$"  # of an image's files
# Where what the lock names runs; its markers are of these.
SERVED_BY = {"python_version": "3.11", "python_full_version": "3.11.0", "sys_platform": "linux",
             "platform_system": "Linux", "os_name": "posix", "platform_python_implementation": "CPython",
             "implementation_name": "cpython"}  # fmt: skip
UNLICENSED = {"", "UNKNOWN"}
LONGEST_LICENCE = 64  # an author may put the whole text there


@dataclass(frozen=True)
class Subject:
    """What the bill is of.

    Attributes:
        model, version: The model's name and version.
        model_digest: SHA-256 of its stored form.
        image_digest: The image's ID; empty where none was built.
    """

    model: str
    version: str
    model_digest: str
    image_digest: str = ""


def package_folders(environment: Mapping[str, str]) -> list[str]:
    """Where an image may have Python packages: the folders of `PYTHONPATH`, and its interpreter's own."""
    minor = ".".join(environment.get("PYTHON_VERSION", "3.11").split(".")[:2])
    return [*filter(None, environment.get("PYTHONPATH", "").split(":")), f"/usr/local/lib/python{minor}/site-packages"]


def installed(files: Mapping[str, bytes], environment: Mapping[str, str], lock: str) -> tuple[Package, ...]:
    """The packages of an image: of Python by their metadata, of Debian by dpkg's list, and the interpreter.

    Args:
        files: Content by path: `METADATA` of distributions, dpkg's `status`, `os-release`.
        environment: The image's variables, of which `PYTHON_VERSION` says the interpreter.
        lock: What it was built from; where an image keeps no metadata, its packages are the lock's.
    """
    found = [_python(content) for path, content in files.items() if METADATA.search(path)] or [*locked(lock)]
    found += _debian(files.get(DPKG, b"").decode("utf-8", "replace"), _distribution(files.get(OS_RELEASE, b"")))
    if version := environment.get("PYTHON_VERSION"):
        purl = PackageURL("generic", None, "python", version).to_string()
        found.append(Package(name="python", version=version, purl=purl, licence="PSF-2.0"))
    return _in_order(found)


def locked(lock: str) -> tuple[Package, ...]:
    """The packages that a lock would install into an image."""
    lines = [line.removesuffix("\\").strip() for line in lock.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    where: dict[str, str] = {**default_environment(), **SERVED_BY}  # type: ignore[dict-item]
    wanted = [one for one in map(Requirement, lines) if one.marker is None or one.marker.evaluate(where)]
    return _in_order(_of_python(one.name, str(one.specifier).removeprefix("==")) for one in wanted)


def document(subject: Subject, packages: Iterable[Package]) -> bytes:
    """The bill as JSON: no clock and no chance in it.

    Args:
        subject: What it is of: the image, or the model where none was built.
        packages: What else is in it.
    """
    bom = Bom(serial_number=uuid.UUID(int=0))
    model = _model(subject)
    bom.metadata.component = _image(subject) if subject.image_digest else model
    if subject.image_digest:
        bom.components.add(model)
    for package in packages:
        bom.components.add(_component(package))
    bom.register_dependency(bom.metadata.component, list(bom.components))
    content: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    # The library puts the time and a random number there; this one follows from the content.
    del content["metadata"]["timestamp"], content["serialNumber"]
    content["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(content, sort_keys=True)).urn
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _model(subject: Subject) -> Component:
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL, name=subject.model, version=subject.version, bom_ref="model",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=subject.model_digest)],
        properties=[Property(name="contender:file", value="model.onnx")],
    )  # fmt: skip


def _image(subject: Subject) -> Component:
    repository = image_repository(subject.model)
    purl = PackageURL("oci", None, repository.rpartition("/")[2], subject.image_digest)
    return Component(
        type=ComponentType.CONTAINER, name=repository, version=subject.version, bom_ref="image", purl=purl,
    )  # fmt: skip


def _component(package: Package) -> Component:
    licences = LicenseFactory()
    return Component(
        type=ComponentType.LIBRARY, name=package.name, version=package.version, bom_ref=package.purl,
        purl=PackageURL.from_string(package.purl),
        licenses=[licences.make_from_string(package.licence)] if package.licence else [],
    )  # fmt: skip


def _python(metadata: bytes) -> Package:
    said = email.parser.BytesHeaderParser().parsebytes(metadata)
    licence = str(said["License-Expression"] or said["License"] or "").strip()
    if licence in UNLICENSED or len(licence) > LONGEST_LICENCE or "\n" in licence:
        classifiers = [str(one) for one in said.get_all("Classifier") or ()]
        named = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License ::")]
        licence = named[0] if len(named) == 1 else ""
    return _of_python(str(said["Name"]), str(said["Version"]), licence)


def _of_python(name: str, version: str, licence: str = "") -> Package:
    plain = re.sub(r"[-_.]+", "-", name).lower()
    return Package(name=name, version=version, purl=PackageURL("pypi", None, plain, version).to_string(),
                   licence=licence)  # fmt: skip


def _distribution(os_release: bytes) -> str:
    """`debian-12` of an `os-release`; empty where there is none."""
    said = dict(line.split("=", 1) for line in os_release.decode("utf-8", "replace").splitlines() if "=" in line)
    identity, version = (said.get(name, "").strip('"') for name in ("ID", "VERSION_ID"))
    return f"{identity}-{version}" if identity and version else identity


def _debian(status: str, distribution: str) -> list[Package]:
    """The installed packages of dpkg's `status`: paragraphs of `Field: value`."""
    found = []
    for paragraph in status.split("\n\n"):
        said: dict[str, str] = dict(re.findall(r"(?m)^(Package|Version|Source|Architecture|Status): (.+)$", paragraph))
        if not said.get("Status", "").endswith(" installed"):
            continue
        # `Source: glibc (2.36-9)`, or none where both are named alike.
        source, _, other = said.get("Source", said["Package"]).partition(" ")
        source_version = other.strip("()") or said["Version"]
        qualifiers = {"arch": said.get("Architecture", ""), "distro": distribution,
                      "upstream": f"{source}@{source_version}"}  # fmt: skip
        namespace = distribution.partition("-")[0] or "debian"
        purl = PackageURL("deb", namespace, said["Package"], said["Version"],
                          {name: value for name, value in qualifiers.items() if value}).to_string()  # fmt: skip
        found.append(Package(name=said["Package"], version=said["Version"], purl=purl, source=source,
                             source_version=source_version, distribution=distribution))  # fmt: skip
    return found


def _in_order(found: Iterable[Package]) -> tuple[Package, ...]:
    """Each once: a distribution may lie in two folders."""
    return tuple(sorted({package.purl: package for package in found}.values(), key=lambda package: package.purl))
