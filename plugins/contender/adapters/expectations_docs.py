"""The page that shows a validation to people: Great Expectations' own data docs, headed by what was found.

The page asks public CDNs for styles and scripts; without a network it is plain, and all of its text is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from contender.adapters.expectations import Validation
from contender.adapters.expectations_rules import (
    DefaultJinjaPageView,
    ValidationResultsPageRenderer,
    expectationSuiteValidationResultSchema,
)

# GX's logos come from GX's own bucket, one with the time of rendering in its address: it would hear of each reader.
_LOGOS = re.compile(r"<img\b[^>]*great-expectations-web-assets[^>]*>|url\([^)]*great-expectations-web-assets[^)]*\)")
_LISTED = 50


def write_docs(validation: Validation, path: Path, title: str) -> None:
    """Write one validation as an HTML page, over an older one of the same path.

    Args:
        validation: From `validate`.
        path: The page; its folder is made.
        title: What was validated, e.g. `flights 2013-07-01/2013-08-01`. The page holds no other time, so that the same
            validation gives the same page but for the random ids of GX's elements.
    """
    # The renderer wants what GX's own store would have read back: Python's numbers instead of numpy's.
    plain = json.loads(json.dumps(validation.result.to_json_dict()))
    plain["meta"] = {"run_id": {"run_name": title, "run_time": ""}}
    page = DefaultJinjaPageView().render(
        ValidationResultsPageRenderer().render(expectationSuiteValidationResultSchema.load(plain))
    )
    page = _LOGOS.sub("", page)
    page = re.sub(r"<title>.*?</title>", f"<title>{escape(title)}</title>", page, flags=re.DOTALL)
    page = page.replace("<body>", f"<body>\n{_findings(validation, title)}", 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _findings(validation: Validation, title: str) -> str:
    quarantined = [f"row {position}: {reason}" for position, reason in validation.quarantine.items()]
    return "\n".join(
        (
            '<section class="container-fluid p-5">',
            f"<h1>{escape(title)}</h1>",
            f"<p>{validation.rows:,} rows; {'stopped' if validation.critical else 'passed'}.</p>",
            _listed("Critical", validation.critical),
            _listed("Warnings", validation.warnings),
            _listed("Quarantined", quarantined),
            "</section>",
        )
    )


def _listed(heading: str, lines: Sequence[str]) -> str:
    items = "\n".join(f"<li>{escape(line)}</li>" for line in lines[:_LISTED])
    return f"<h2>{heading}: {len(lines)}</h2>\n<ul>{items}</ul>"
