from __future__ import annotations

import pytest

from contender.core.naming import identifiers

HEADERS = {
    "umlauts": ("Größe über Öl", "grosse_uber_ol"),
    "accents, composed or not": ("Prénom e\u0301lu", "prenom_elu"),
    "letters without a plain one": ("Łódź Ørsted Þór Æsir", "lodz_orsted_thor_aesir"),
    "a dotted capital": ("İzmir ılık", "izmir_ilik"),
    "signs": ("m² №", "m2_no"),
    "no Latin letter": ("имя", "column"),
}


@pytest.mark.parametrize(("header", "name"), HEADERS.values(), ids=HEADERS.keys())
def test_identifier_of_a_header_keeps_its_letters_readable(header: str, name: str) -> None:
    assert identifiers([header]) == [name]


def test_identifiers_of_headers_that_differ_in_accents_alone_differ() -> None:
    assert identifiers(["Masse", "Maße", "masse"]) == ["masse", "masse_2", "masse_3"]
