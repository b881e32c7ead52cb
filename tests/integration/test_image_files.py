"""What is in an image, read by the engine and by the stack's proxy before it, from a container that never runs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import docker
import pytest

from contender.adapters.containers import Built, Engine
from contender.adapters.image_files import files_of
from contender.core.errors import ImageFailed
from contender.core.settings import CHECKOUT
from contender.stages import image, sbom

pytestmark = [pytest.mark.slow, pytest.mark.engine]

LOCK = (CHECKOUT / "docker" / "serving" / "requirements.txt").read_text(encoding="utf-8")


def test_files_of_an_image_are_those_put_into_it_and_nothing_is_left(
    proxied: Engine, client: docker.DockerClient, versions: dict[str, Built], bundle: Path, network: str
) -> None:
    plan = image.model(bundle, "7", image.runtime().tag)
    with files_of(proxied, versions["7"].digest, network=network, look="test-files") as inside:
        (left,) = client.containers.list(all=True, filters={"label": "contender.proof-of=test-files"})
        assert left.status == "created"
        found = inside.read("/bundle")
        assert inside.read("/nowhere") == {}
        listed = {}
        for path in (sbom.DPKG, sbom.OS_RELEASE, *sbom.package_folders(inside.environment)):
            listed.update(inside.read(path, only=sbom.WANTED))
        packages = sbom.installed(listed, inside.environment, LOCK)
    assert found == {f"/{path}": content for path, content in plan.context.items() if path.startswith("bundle/")}
    assert {package.purl for package in sbom.locked(LOCK)} <= {package.purl for package in packages}
    assert [package.name for package in packages if package.purl.startswith("pkg:deb/")].count("libc6") == 1
    assert client.containers.list(all=True, filters={"label": "contender.proof-of=test-files"}) == []


def test_files_after_a_look_that_was_killed_are_read_and_its_container_removed(
    engine: Engine, client: docker.DockerClient, versions: dict[str, Built]
) -> None:
    # The first is not left when the second is entered, as by a process that is killed.
    killed, digest = ExitStack(), versions["7"].digest
    first = killed.enter_context(files_of(engine, digest, look="test-killed"))
    with files_of(engine, digest, look="test-killed") as again:
        found = client.containers.list(all=True, filters={"label": "contender.proof-of=test-killed"})
        assert [one.id for one in found] == [again.container.id]
        with pytest.raises(docker.errors.NotFound):
            client.containers.get(first.container.id)
        assert again.read("/bundle/model.onnx")
    with pytest.raises(ImageFailed):
        killed.close()
    assert client.containers.list(all=True, filters={"label": "contender.proof-of=test-killed"}) == []
