"""What stands beside the image stands in the way too: packages with known vulnerabilities, no scan, no key."""

from __future__ import annotations

import json
import re

import pytest

from contender.core.errors import EngineUnavailable, PromotionRefused, SettingInvalid, SigningKeyUnusable
from contender.core.inventory import Package
from contender.core.results import ImageProof
from contender.core.settings import settings
from contender.core.vulnerabilities import Scan, Vulnerability
from contender.operators.supply_chain import keep_packages
from tests.osv import Osv
from tests.tiny_platform import Tiny, champion, manifest

HIGH = Vulnerability(id="GHSA-1", package="pkg:pypi/numpy@1", severity="high").facts()


def scanned(tiny: Tiny, **changed: object) -> dict[str, object]:
    """The run's inventory, with another outcome of its scan."""
    given = tiny.better.decided["inventory"]
    return {**given, "vulnerabilities": {**given["vulnerabilities"], **changed}}


def decided(tiny: Tiny) -> None:
    tiny.better.measure()
    assert tiny.better.decide() == "gate.promote"


def test_block_refuses_what_is_known_or_was_not_scanned_and_moves_nothing(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided(tiny)
    monkeypatch.setenv("CONTENDER_VULNERABILITIES", "block")
    with pytest.raises(PromotionRefused, match=r"got: not scanned: CONTENDER_OSV is none.*clear image\.inventory"):
        tiny.better.release()
    with pytest.raises(PromotionRefused, match=r"got: 1 known vulnerabilities, GHSA-1 \(high\) of pkg:pypi/numpy@1"):
        tiny.better.release(inventory=scanned(tiny, not_scanned="", found=[HIGH]))
    assert champion(tiny.home) == "1"
    assert not (tiny.home / "releases" / "tiny" / "2").exists()
    assert tiny.better.release(inventory=scanned(tiny, not_scanned=""))["version"] == "2"
    assert manifest(tiny.home, "2")["vulnerabilities"]["policy"]["action"] == "block"


def test_bound_lets_pass_what_is_rated_below_it_and_the_manifest_and_the_card_tell_it(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided(tiny)
    monkeypatch.setenv("CONTENDER_VULNERABILITIES", "block:critical")
    tiny.better.release(inventory=scanned(tiny, not_scanned="", found=[HIGH]))
    assert [one["id"] for one in manifest(tiny.home, "2")["vulnerabilities"]["found"]] == ["GHSA-1"]
    (page,) = (tiny.home / "reports" / "tiny").glob("*version-2*.html")
    text = page.read_text(encoding="utf-8")
    assert re.search(r"1 known vulnerabilities in \d+ packages \(1 high\)", text)
    assert manifest(tiny.home, "2")["inventory"]["sbom_digest"] in text


def test_bill_of_materials_of_another_image_or_gone_is_refused(tiny: Tiny) -> None:
    decided(tiny)
    given = tiny.better.decided["inventory"]
    other = {**given, "inventory": {**given["inventory"], "image_digest": "sha256:0"}}
    with pytest.raises(PromotionRefused, match=r"the bill of materials is not the image's.*clear image\.inventory"):
        tiny.better.release(inventory=other)
    kept = tiny.home / "sboms" / f"{given['inventory']['sbom_digest']}.json"
    kept.write_bytes(kept.read_bytes() + b" ")
    with pytest.raises(PromotionRefused, match=r"not the one that image\.inventory made"):
        tiny.better.release()
    assert champion(tiny.home) == "1"


@pytest.mark.parametrize("registry", ["", "registry_default"], ids=["no registry", "a registry"])
def test_image_pushed_before_this_one_was_built_is_not_named_with_it(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, registry: str
) -> None:
    digest = tiny.better.chain.returned["train.fit"]["model_digest"]
    proof = ImageProof(image="contender/tiny:2", digest="sha256:new", model_digest=digest, answered=1,
                       largest_difference=0.0, size_mb=1.0)  # fmt: skip
    tiny.better.measure()
    assert tiny.better.decide(proof=proof.facts()) == "gate.promote"
    monkeypatch.setenv("CONTENDER_REGISTRY", registry)
    stale, mine = ({"pushed": f"r/tiny@sha256:{digest}", "digest": f"sha256:{digest}"} for digest in ("old", "new"))
    if registry:
        with pytest.raises(PromotionRefused, match=r"the image is not in the registry.*sha256:new"):
            tiny.better.release(pushed=stale)
        assert champion(tiny.home) == "1"
        stale = mine
    tiny.better.release(pushed=stale)
    assert manifest(tiny.home, "2").get("pushed") == (mine["pushed"] if registry else None)


def test_key_that_is_set_and_none_signs_nothing_and_moves_nothing(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    decided(tiny)
    monkeypatch.setenv("CONTENDER_SIGNING_KEY", str(tiny.home / "absent.pem"))
    with pytest.raises(SigningKeyUnusable, match="CONTENDER_SIGNING_KEY"):
        tiny.better.release()
    assert champion(tiny.home) == "1"
    monkeypatch.delenv("CONTENDER_SIGNING_KEY")
    tiny.better.release()
    folder = tiny.home / "releases" / "tiny" / "2"
    assert sorted(path.name for path in folder.iterdir()) == ["provenance.dsse.json", "release.json", "sbom.cdx.json"]
    assert json.loads((folder / "provenance.dsse.json").read_bytes())["payloadType"] == "application/vnd.in-toto+json"


def test_inventory_is_the_same_again_and_tells_a_database_that_is_away(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONTENDER_OSV", "http://127.0.0.1:1")
    first, again = (
        tiny.better.chain.call(tiny.better.dag, "image.inventory", fitted=tiny.better.made["fitted"], built=None)
        for _ in range(2)
    )
    assert first == again
    away = "http://127.0.0.1:1 did not answer as OSV does: ConnectionError"
    assert first["vulnerabilities"]["not_scanned"] == away
    assert f"known vulnerabilities: not scanned: {away}" in capsys.readouterr().out
    assert (tiny.home / "sboms" / f"{first['inventory']['sbom_digest']}.json").is_file()


def test_inventory_refuses_a_list_of_ignored_without_reasons(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tiny.home / "ignored.toml"
    listed.write_text('[[ignore]]\nid = "GHSA-1"\nuntil = 2030-01-01\n')
    monkeypatch.setenv("CONTENDER_VULNERABILITIES_IGNORED", str(listed))
    with pytest.raises(SettingInvalid, match=r"where: .*ignored\.toml.*reason"):
        tiny.better.chain.call(tiny.better.dag, "image.inventory", fitted=tiny.better.made["fitted"], built=None)


RUNTIME = "sha256:" + "a" * 64
BUILT = {"image": "contender/tiny:2-ab", "digest": "sha256:2", "runtime": "contender/serving-runtime:ab",
         "runtime_digest": RUNTIME}  # fmt: skip
NUMPY = Package(name="numpy", version="1", purl="pkg:pypi/numpy@1")


def inventory(tiny: Tiny) -> dict[str, dict[str, object]]:
    """`image.inventory` of an image that no engine has: what is in it is known, or there is no telling."""
    given = {"fitted": tiny.better.made["fitted"], "built": BUILT}
    return dict(tiny.better.chain.call(tiny.better.dag, "image.inventory", **given))


def test_inventory_takes_what_was_found_in_its_runtime_in_its_own_form_and_nothing_else(
    tiny: Tiny, caplog: pytest.LogCaptureFixture
) -> None:
    places = settings()
    keep_packages(RUNTIME, (NUMPY,), places)
    assert inventory(tiny)["inventory"]["components"] == 2
    (kept,) = places.sboms.glob("runtime-*.json")
    found = kept.read_bytes()
    kept.with_name(f"runtime-{'a' * 64}.json").write_bytes(found)  # as it was named before there was a form
    for other in (found.replace(b"aaaa", b"bbbb"), b"[]", None):
        kept.unlink() if other is None else kept.write_bytes(other)
        with pytest.raises(EngineUnavailable):
            inventory(tiny)
    assert "is made anew" in caplog.text


def test_inventory_of_an_image_that_lists_no_system_packages_says_so_and_blocks(
    tiny: Tiny, osv: Osv, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    osv.known = {}
    monkeypatch.setenv("CONTENDER_OSV", osv.url)
    keep_packages(RUNTIME, (NUMPY,), settings())
    found = inventory(tiny)["vulnerabilities"]
    assert "known vulnerabilities: not scanned: the image's system packages" in capsys.readouterr().out
    assert Scan.model_validate({**found, "policy": {"action": "block"}}).objection.startswith("not scanned: ")
