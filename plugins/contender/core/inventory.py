"""What is in an image, as a bill of materials lists it."""

from __future__ import annotations

from pydantic import Field

from contender.core.results import Result

SBOM = "sbom.cdx.json"
# Of how the packages of a runtime are listed: with another number, what was kept before is looked for anew.
FORM = 2


class Package(Result):
    """One package.

    Attributes:
        name, version: As its own system has them.
        purl: Its package URL, which says the system too: `pkg:pypi/numpy@2.4.6`.
        licence: SPDX expression or the author's words; empty where it is not known.
        source, source_version: Of a Debian package what it was built from, which is what advisories are about.
        distribution: Of a Debian package where it is from: `debian-12`.
    """

    name: str = Field(min_length=1)
    version: str
    purl: str
    licence: str = ""
    source: str = ""
    source_version: str = ""
    distribution: str = ""


class Runtime(Result):
    """What was found in a runtime image, as it is kept for the next model on it.

    Attributes:
        digest: The image's ID.
        packages: What is in it.
    """

    digest: str
    packages: tuple[Package, ...]


class Inventory(Result):
    """What `image.inventory` found.

    Attributes:
        sbom_digest: SHA-256 of the bill of materials.
        components: How many components it lists, the model among them.
        image_digest: The image that it is of; empty where none was built, and it lists what one would be built of.
        runtime_image, runtime_digest: The image below the model's, by tag and ID.
        serving_lock_digest: SHA-256 of the lock that the runtime is built from.
    """

    sbom_digest: str
    components: int
    image_digest: str = ""
    runtime_image: str = ""
    runtime_digest: str = ""
    serving_lock_digest: str
