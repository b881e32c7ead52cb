from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from contender.adapters.source_values import converted
from contender.core.errors import ScaffoldRefused
from contender.core.source import Source
from contender.scaffold.guesses import guesses
from contender.scaffold.inputs import usable
from contender.scaffold.profile import Profile, profile

ROWS = 400


def customers(**more: Any) -> pd.DataFrame:
    draw = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "Customer ID": [f"c{number:04d}" for number in range(ROWS)],
            "signed up": pd.date_range("2013-01-01", periods=ROWS, freq="D").strftime("%d.%m.%Y"),
            "plan": draw.choice(["basic", "plus"], ROWS),
            "age": draw.integers(18, 90, ROWS).astype(str),
            "e-mail": [f"a{number}@example.org" for number in range(ROWS)],
            "country": "NZ",
            "nothing": None,
            "story": "once upon a time there was a customer who wrote rather a lot of words",
            "churned": draw.choice(["yes", "no"], ROWS, p=[0.2, 0.8]),
        }
    )
    frame["story"] += frame.index.astype(str)
    return frame.assign(**more)


def test_profile_tells_the_kind_of_each_column() -> None:
    made = profile(customers(), label="churned", time="signed up")
    assert {one.header: one.kind for one in made.columns} == {
        "Customer ID": "category", "signed up": "time", "plan": "category", "age": "number", "e-mail": "category",
        "country": "constant", "nothing": "empty", "story": "text", "churned": "category",
    }  # fmt: skip
    assert made.column("signed_up").time_format == "%d.%m.%Y"
    assert (made.column("age").whole, made.column("age").minimum) == (True, 18.0)


def test_profile_of_two_names_predicts_the_one_that_says_yes() -> None:
    made = profile(customers(), label="churned")
    assert (made.task, made.classes) == ("binary", ("no", "yes"))
    assert made.shares["yes"] == pytest.approx(0.2, abs=0.1)
    assert profile(customers(), label="churned", classes=("yes", "no")).classes == ("yes", "no")


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["0", "1"], "binary", ()),
        ([0.0, 1.0], "binary", ()),
        (["red", "green", "blue"], "multiclass", ("blue", "green", "red")),
        ([1, 2, 3], "multiclass", ("1", "2", "3")),
        ([1.5, 2.5, 3.5], "regression", ()),
        (range(100), "regression", ()),
    ],
    ids=["0 and 1", "floats 0 and 1", "names", "few whole numbers", "fractions", "many whole numbers"],
)
def test_profile_takes_the_task_from_the_label(values: Any, task: str, classes: tuple[str, ...]) -> None:
    label = np.resize(np.array(list(values)), ROWS)
    made = profile(customers(target=label), label="target")
    assert (made.task, made.classes) == (task, classes)


def told(made: Profile) -> str:
    """What is guessed aloud."""
    return "\n".join(guesses(made, made.task, [one.name for one in usable(made)[0]]))


def test_profile_guesses_time_and_entity_aloud_and_uses_neither() -> None:
    made = profile(customers(), label="churned")
    assert (made.time, made.entity) == (None, ())
    said = told(made)
    assert "say TIME='signed up' to split by it" in said
    assert "say ENTITY='Customer ID' to serve by it" in said
    assert "e-mail: its name is that of an e-mail address" in said


def test_inputs_leave_out_what_is_none_each_with_its_reason() -> None:
    taken, left = usable(profile(customers(), label="churned"))
    assert [one.name for one in taken] == ["plan", "age"]
    assert left == {
        "customer_id": "it names the row; KEEP uses it",
        "signed_up": "a time is no input by itself: compute what matters of it in `features`",
        "e_mail": "personal data: its name is that of an e-mail address",
        "country": "it is the same in every row",
        "nothing": "it has no value",
        "story": "free text: encode it in `features`, or KEEP it as a category",
    }


LEAKS: dict[str, Any] = {
    "tells it alone, another number in each row": lambda frame: (frame["churned"] == "yes") + np.arange(ROWS) / 1000,
    "tells it alone": lambda frame: (frame["churned"] == "yes") * 3.0 + np.arange(ROWS) % 3 / 10,
    "filled for one class": lambda frame: np.where(frame["churned"] == "yes", "2013-05-01", None),
    "after the row": lambda frame: pd.date_range("2014-12-01", periods=ROWS, freq="D").strftime("%Y-%m-%d"),
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS.keys())
def test_inputs_suspected_to_tell_the_label_are_refused_until_kept_or_dropped_by_name(leak: Any) -> None:
    frame = customers()
    made = profile(frame.assign(closed=leak(frame)), label="churned", time="signed up")
    with pytest.raises(
        ScaffoldRefused, match=r"suspected to tell the label; where: closed; .*DROP=closed.*KEEP=closed"
    ):
        usable(made)
    assert "closed" not in [one.name for one in usable(made, drop=["closed"])[0]]
    usable(made, keep=["closed"])


def test_profile_of_columns_that_only_help_suspects_none() -> None:
    frame = customers()
    noise = np.random.default_rng(1).normal(size=ROWS)
    made = profile(frame.assign(helps=(frame["churned"] == "yes") * 1.0 + noise), label="churned")
    assert [one.header for one in made.columns if one.leak] == []


def test_profile_tells_imbalance_and_many_categories() -> None:
    rare = np.where(np.arange(ROWS) < 8, "yes", "no")
    cities = [f"city {number % 180}" for number in range(ROWS)]
    said = told(profile(customers(churned=rare, city=cities), label="churned"))
    assert "imbalance: yes under 5%" in said
    assert "city: 180 categories" in said


@pytest.mark.parametrize(
    ("label", "classes"),
    [(np.array([1.0, 2.0, 2.0, np.nan]), ("1", "2")), (np.array([" no", "no ", "yes", " "]), ("no", "yes"))],
    ids=["numbers, some missing", "text with space around it"],
)
def test_profile_names_classes_as_the_platform_reads_them(label: Any, classes: tuple[str, ...]) -> None:
    column = pd.Series(np.resize(label, ROWS), name="target")
    made = profile(customers(target=column), label="target")
    read = converted(column, "string", Source(url="rows.parquet", format="parquet"))
    assert sorted(made.classes) == sorted(read.dropna().unique()) == sorted(classes)


def test_profile_takes_a_code_of_few_values_for_a_category() -> None:
    made = profile(customers(country_code=np.resize(["NZ", "DE", "PE"], ROWS)), label="churned")
    assert "country_code" in [one.name for one in usable(made)[0]]


def test_profile_of_infinite_numbers_bounds_the_others() -> None:
    made = profile(customers(ratio=np.resize([1.0, 2.0, np.inf, -np.inf], ROWS)), label="churned")
    assert (made.column("ratio").minimum, made.column("ratio").maximum) == (1.0, 2.0)


PERSONAL: dict[str, tuple[str, list[str]]] = {
    "e-mail addresses": ("contact", ["a@example.org", "b.c@example.net"]),
    "IBANs": ("account", ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819"]),
    "card numbers": ("paid_with", ["4111 1111 1111 1111", "5500005555555559"]),
    "telephone numbers": ("call", ["+49 30 1234567", "+1 202 555 0100"]),
    "a date of birth": ("date_of_birth", [f"{year}-05-01" for year in range(1960, 1990)]),
    "an address": ("EmailAddress", [f"user {number}" for number in range(20)]),
    "a person's name": ("name", [f"Ada {number}" for number in range(20)]),
}


@pytest.mark.parametrize(("what", "column"), PERSONAL.items(), ids=PERSONAL.keys())
def test_profile_knows_personal_data_by_name_or_pattern(what: str, column: tuple[str, list[str]]) -> None:
    name, values = column
    frame = customers(**{name: np.resize(values, ROWS)})
    assert what in next(one for one in profile(frame, label="churned").columns if one.header == name).personal


@pytest.mark.parametrize("name", ["email_opt_in", "phone_service", "billing_address_changed", "product_name", "e-mail"])
def test_profile_of_a_switch_with_a_personal_word_in_its_name_is_not_personal(name: str) -> None:
    made = profile(customers(**{name: np.resize(["Yes", "No"], ROWS)}), label="churned")
    assert not next(one for one in made.columns if one.header == name).personal


def test_profile_of_numbers_tells_names_from_quantities() -> None:
    shuffled = np.random.default_rng(2).permutation(ROWS)
    made = profile(
        customers(salary=40_000 + 7 * shuffled, order=shuffled, customer_no=900_000 + 7 * shuffled,
                  region_id=shuffled % 8, **{"Unnamed: 0": range(ROWS)}),
        label="churned",
    )  # fmt: skip
    naming = [one.header for one in made.columns if one.identifies]
    assert naming == ["Customer ID", "e-mail", "story", "order", "customer_no", "Unnamed: 0"]
    assert {"salary", "region_id"} <= {one.name for one in usable(made)[0]}


DISGUISED: dict[str, tuple[str, list[str]]] = {
    "decimal commas": ("numbers", [f"{n},50" for n in range(40)]),
    "signs and thousands": ("numbers", [f"€ 1.{n:03},20" for n in range(40)]),
    "percent": ("numbers", [f"{n} %" for n in range(40)]),
    "one that is none": ("numbers", [*map(str, range(40)), "?"]),
    "dates of two forms": (
        "times",
        [*(f"2013-05-{n:02}" for n in range(1, 25)), *(f"{n}/12/2013" for n in range(1, 12))],
    ),
    "names": ("", [f"name {n}" for n in range(40)]),
    "codes": ("", [f"A{n}-7" for n in range(40)]),
}


@pytest.mark.parametrize(("what", "values"), DISGUISED.values(), ids=DISGUISED.keys())
def test_profile_tells_texts_that_are_numbers_or_times_in_disguise(what: str, values: list[str]) -> None:
    made = profile(customers(odd=np.resize(values, ROWS)), label="churned")
    assert made.column("odd").disguised == what
    assert ("odd: its texts look like numbers" in told(made)) == (what == "numbers")
    assert ("look like times" in usable(made)[1].get("odd", "")) == (what == "times")


def test_profile_measures_what_an_identifier_tells_lest_it_be_kept_unseen() -> None:
    frame = customers()
    made = profile(frame.assign(status_no=(frame["churned"] == "yes") * ROWS + np.arange(ROWS)), label="churned")
    assert made.column("status_no").identifies
    assert "status_no" in usable(made)[1]
    assert "alone it tells churned" in usable(made, keep=["status_no"])[0][-1].leak


def test_guesses_tell_how_many_rows_have_no_label() -> None:
    frame = customers()
    made = profile(frame.assign(churned=frame["churned"].where(frame.index % 4 != 0)), label="churned")
    assert "label: 25.0% of the rows have no churned" in told(made)
    assert "label: " not in told(profile(frame, label="churned"))


def test_guesses_say_of_personal_data_what_becomes_of_them() -> None:
    made = profile(customers(), label="churned", entity=["Customer ID"])
    assert "e-mail: its name is that of an e-mail address; left out" in "\n".join(guesses(made, made.task, []))
    assert "it is an input, DROP=e-mail omits it" in "\n".join(guesses(made, made.task, ["e_mail"]))
    owned = profile(customers(), label="churned", entity=["e-mail"])
    assert "it is used as it is" in "\n".join(guesses(owned, owned.task, []))


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "one column": (lambda frame: frame[["churned"]], {}, "one column only"),
    "few rows": (lambda frame: frame.head(3), {}, "there are 3 rows"),
    "headers alike": (lambda frame: pd.concat([frame, frame[["age"]]], axis=1), {}, "share a name: age"),
    "no such label": (lambda frame: frame, {"label": "chured"}, "no column 'chured'; did you mean 'churned'"),
    "no such time": (lambda frame: frame, {"time": "when"}, "where: TIME"),
    "no such entity": (lambda frame: frame, {"entity": ["who"]}, "where: ENTITY"),
    "label all missing": (lambda frame: frame.assign(churned=None), {}, "teaches nothing.*no value at all"),
    "label of one class": (lambda frame: frame.assign(churned="no"), {}, "teaches nothing.*'no' in each of 400"),
    "time that is none": (lambda frame: frame, {"time": "plan"}, "the time column does not parse.*400 of 400"),
    "time with a fault": (
        lambda frame: frame.assign(**{"signed up": frame["signed up"].where(frame.index != 7, "soon")}),
        {"time": "signed up"},
        "1 of 400 rows are none, e.g. 'soon'",
    ),
    "entity with nulls": (
        lambda frame: frame.assign(**{"Customer ID": frame["Customer ID"].where(frame.index != 5)}),
        {"entity": ["Customer ID"]},
        "1 of 400 missing, in rows 5",
    ),
    "too many classes": (
        lambda frame: frame.assign(story=frame["story"].str[:-1]), {"label": "story"}, "too many classes",
    ),
    "label that names rows": (lambda frame: frame, {"label": "Customer ID"}, "400 different values, each of them once"),
    "label that counts up": (
        lambda frame: frame.assign(place=frame.index + 7), {"label": "place", "task": "regression"}, "names the rows",
    ),
    "label that counts up in a sample": (
        lambda frame: frame.assign(place=frame.index * 3), {"label": "place", "task": "regression"}, "names the rows",
    ),
    "label that counts up but for some": (
        lambda frame: frame.assign(place=frame.index.where(frame.index < 300)), {"label": "place"}, "names the rows",
    ),
    "label of a key that repeats": (
        lambda frame: frame.assign(ShopID=frame.index % 90), {"label": "ShopID", "task": "regression"},
        "90 different values, by its name those of a key; next: .*give it another header",
    ),
    "several spellings": (
        lambda frame: frame.assign(churned=np.resize(["Yes", "yes", " no", "YES ", "No", "no"], ROWS)), {},
        r"several ways; where: LABEL=churned; .*got: 'No' = 'no', 'YES' = 'Yes' = 'yes'; next: .*lower\(trim\(churned",
    ),
    "values outside of the classes": (
        lambda frame: frame.assign(churned=frame["churned"].where(frame.index > 2, "maybe")),
        {"classes": ["no", "yes"]},
        "none of the classes; where: LABEL=churned, CLASSES=no,yes; .*got: 'maybe' in 3 rows",
    ),
    "unknown class": (lambda frame: frame, {"classes": ["no", "maybe"]}, "none of these classes.*maybe"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "asked", "said"), BAD.values(), ids=BAD.keys())
def test_profile_of_what_cannot_be_a_model_is_refused_by_name(change: Any, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ScaffoldRefused, match=said):
        profile(change(customers()), **({"label": "churned"} | asked))


@pytest.mark.parametrize(
    ("header", "values", "wished"),
    [
        ("visitors no", np.resize(np.arange(90), ROWS), "regression"),
        ("key", np.arange(ROWS) / 8, "regression"),
        ("total", np.arange(ROWS), "forecast"),
    ],
    ids=["a number of visitors", "fractions", "a count that is forecast"],
)
def test_profile_of_a_label_that_is_a_quantity_in_spite_of_its_looks_is_made(
    header: str, values: Any, wished: Any
) -> None:
    made = profile(customers(**{header: values}), label=header, task=wished)
    assert made.task == "regression"


def test_profile_of_classes_that_differ_in_their_capitals_is_made_where_all_are_named() -> None:
    made = profile(customers(allele=np.resize(["a", "A", "b"], ROWS)), label="allele", classes=("a", "A", "b"))
    assert made.classes == ("a", "A", "b")


@pytest.mark.parametrize(
    ("form", "days", "other"),
    [
        ("%d/%m/%Y", 12, "%m/%d/%Y"),
        ("%d/%m/%Y %H:%M", 12, "%m/%d/%Y %H:%M"),
        ("%d.%m.%Y", 12, "%m.%d.%Y"),
        ("%d/%m/%Y", 13, ""),
        ("%m/%d/%Y", 13, ""),
        ("%Y-%m-%d", 12, ""),
    ],
    ids=["slashes", "and a clock", "points", "a thirteenth day", "a thirteenth day, month first", "ISO 8601"],
)
def test_guesses_tell_of_times_whose_month_and_day_could_change_places(form: str, days: int, other: str) -> None:
    dates = [pd.Timestamp(2013, 1 + number % 12, 1 + number % days).strftime(form) for number in range(ROWS)]
    said = told(profile(customers(**{"signed up": dates}), label="churned", time="signed up"))
    assert (f"signed up: all its times fit {other} as well" in said) == bool(other)
    assert not other or f"set time_format={other!r} in the spec's source" in said
