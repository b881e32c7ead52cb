from __future__ import annotations

import pytest

from contender.release.parts import MODEL, REVISION, Comparison

SAME, OTHER = "a" * 64, "b" * 64


def compared(*parts: tuple[str, str], model: str | None = None) -> Comparison:
    found = Comparison(lambda line: None)
    for name, here in parts:
        found.add(name, SAME, here)
    if model is not None:
        found.add(MODEL, SAME, model)
    return found


def test_add_says_one_line_with_both_values_and_why_they_differ() -> None:
    lines: list[str] = []
    found = Comparison(lines.append)
    assert found.add("table rows", SAME, SAME, "not said")
    assert not found.add(MODEL, SAME, OTHER, "said")
    assert lines == [
        f"{'table rows':<28} same     manifest {SAME[:12]}  here {SAME[:12]}",
        f"{'model digest':<28} differs  manifest {SAME}  here {OTHER}",
        "  said",
    ]


@pytest.mark.parametrize(
    ("found", "reproduced", "said"),
    [
        (compared(("seed", SAME), model=SAME), True, "The model is the same, byte for byte"),
        (compared((REVISION, OTHER), ("seed", SAME), model=SAME), True, "although these differ: code revision"),
        (compared((REVISION, OTHER), ("table a", OTHER), ("holdout", OTHER), model=OTHER), False,
         "the first input that differs, which explains it, is table a; these differ too: holdout"),
        (compared((REVISION, OTHER), ("seed", SAME), model=OTHER), False, "between the two code revisions"),
        (compared((REVISION, SAME), ("seed", SAME), model=OTHER), False, "what is left is the machine, here 2 threads"),
        (compared(("table a", OTHER)), False, "No model could be made: the first input that differs"),
        (compared(("table a", SAME)), False, "No model could be made; no part that was compared differs"),
    ],
    ids=["same", "same with other code", "an input", "code alone", "nothing", "stopped at an input", "stopped"],
)  # fmt: skip
def test_explanation_names_what_explains_a_difference(found: Comparison, reproduced: bool, said: str) -> None:
    assert found.reproduced is reproduced
    assert said in found.explanation("2 threads")
