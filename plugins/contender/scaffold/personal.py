"""Columns that look like personal data, by their names and by their values."""

from __future__ import annotations

import re

import pandas as pd

NAMES = {
    "an e-mail address": ("email", "mail", "e_mail"),
    "a telephone number": ("phone", "telephone", "mobile", "fax"),
    "a person's name": ("first_name", "last_name", "surname", "firstname", "lastname", "full_name", "given_name",
                        "customer_name", "user_name"),
    "an address": ("address", "street", "zip", "zipcode", "postcode", "postal_code"),
    "an official number": ("ssn", "social_security", "passport", "tax_id", "national_id", "license_number"),
    "an account": ("iban", "bic", "card_number", "credit_card", "account_number"),
    "a date of birth": ("birth", "birthday", "birthdate", "date_of_birth", "dob"),
    "a network address": ("ip", "ip_address", "mac_address"),
}  # fmt: skip
PATTERNS = {
    "e-mail addresses": r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}",
    "IBANs": r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7} ?[A-Z0-9]{0,4}",
    "IPv4 addresses": r"(?:\d{1,3}\.){3}\d{1,3}",
    "telephone numbers": r"(?:\+|\(0?\d{2,4}\) ?)\d[\d ()/-]{5,18}\d",
}
LOOKED_AT = 200
MOSTLY = 0.7
FEW = 5
CARD_DIGITS = range(13, 20)


def personal(name: str, known: pd.Series, header: str = "") -> str:
    """Why a column looks like personal data, or empty.

    Args:
        name: The column's name.
        known: Its values, none missing.
        header: What the source calls it, whose capitals may part its words.
    """
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", header).lower() if header else name
    few = known.nunique() <= FEW  # whether a newsletter goes by mail is no address
    for what, words in NAMES.items():
        if not few and any(re.search(rf"(?:^|[_ ]){word}$", one) for word in words for one in (name, parted)):
            return f"its name is that of {what}"
    if not few and name == "name":
        return "its name may be that of a person's name"
    texts = known.head(LOOKED_AT).astype("string").str.strip()
    if texts.empty:
        return ""
    for what, pattern in PATTERNS.items():
        if float(texts.str.fullmatch(pattern).mean()) > MOSTLY:
            return f"its values look like {what}"
    return "its values look like card numbers" if float(texts.map(_is_card).mean()) > MOSTLY else ""


def _is_card(text: str) -> bool:
    """Whether the digits pass Luhn's check (ISO/IEC 7812-1)."""
    digits = re.sub(r"[ -]", "", text)
    if not digits.isascii() or not digits.isdigit() or len(digits) not in CARD_DIGITS:
        return False
    doubled = [int(digit) * (1 + (place % 2)) for place, digit in enumerate(reversed(digits))]
    return sum(sum(divmod(value, 10)) for value in doubled) % 10 == 0
