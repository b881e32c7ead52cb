"""Great Expectations itself, and the one expectation it lacks on pandas: a rule over several columns of a row.

`expect_rows_to_satisfy` is what `UnexpectedRowsExpectation` is for SQL engines. GX finds it by its type, as it finds
its own, once this module has been imported; every other module of ours takes GX from here.
"""

from __future__ import annotations

import ast
import warnings
from typing import Any, Literal

import pandas as pd
from pydantic.v1 import ValidationError, validator

with warnings.catch_warnings():
    # GX 1.24 imports two aliases of the standard library's `re` that Python 3.11 deprecates.
    warnings.filterwarnings("ignore", "module 'sre_(constants|parse)' is deprecated", DeprecationWarning)
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import expectationSuiteValidationResultSchema
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.exceptions import GreatExpectationsError
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.expectations.expectation import MulticolumnMapExpectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metrics.map_metric_provider import (
        MulticolumnMapMetricProvider,
        multicolumn_condition_partial,
    )
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )
    from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.renderer.renderer import renderer
    from great_expectations.render.view import DefaultJinjaPageView

__all__ = [
    "DefaultJinjaPageView",
    "ExpectRowsToSatisfy",
    "ExpectationConfiguration",
    "GreatExpectationsError",
    "ProgressBarsConfig",
    "ValidationError",
    "ValidationResultsPageRenderer",
    "expectationSuiteValidationResultSchema",
    "get_expectation_impl",
    "gx",
    "list_registered_expectation_implementations",
]


class RowsSatisfyRule(MulticolumnMapMetricProvider):  # type: ignore[misc]  # GX is untyped to us
    """Which rows satisfy a rule; a rule that is neither true nor false of a row (missing values) fails it."""

    condition_metric_name = "multicolumn_values.satisfy_rule"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("rule",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]  # GX's own
    def _pandas(cls, column_list: pd.DataFrame, rule: str, **_: Any) -> pd.Series:  # noqa: N805  # GX passes the class
        return (
            pd.Series(column_list.eval(rule, engine="python"), index=column_list.index).fillna(value=False).astype(bool)
        )


class ExpectRowsToSatisfy(MulticolumnMapExpectation):  # type: ignore[misc]  # GX is untyped to us
    """Expect each row to satisfy a rule, an expression that `DataFrame.eval` understands.

    Args:
        column_list: The columns that the rule speaks of, two or more.
        rule: The expression, e.g. `dewp <= temp`.
        ignore_row_if: `never` (default), `any_value_is_missing` or `all_values_are_missing`.
        mostly: Share of the rows (those not ignored) that must satisfy it.
    """

    rule: str
    ignore_row_if: Literal["all_values_are_missing", "any_value_is_missing", "never"] = "never"

    map_metric = "multicolumn_values.satisfy_rule"
    success_keys = ("rule", "mostly")
    args_keys = ("column_list", "rule")

    @validator("rule")
    def _speaks_of_its_columns(cls, rule: str, values: dict[str, Any]) -> str:  # noqa: N805  # pydantic passes the class
        try:
            tree = ast.parse(rule, mode="eval")
        except SyntaxError as error:
            raise ValueError(f"{rule!r} is no expression: {error.msg}") from error
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        unlisted = sorted(names - set(values.get("column_list", ())))
        if unlisted:
            raise ValueError(f"the rule names {', '.join(unlisted)}, which column_list lacks")
        return rule

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)  # type: ignore[untyped-decorator]  # GX's own
    def _prescriptive_renderer(cls, configuration: Any = None, result: Any = None, **_: Any) -> list[Any]:
        """The sentence that stands for it in the data docs."""
        kwargs = (configuration or result.expectation_config).kwargs
        template = {"template": "rows must satisfy: $rule", "params": {"rule": kwargs["rule"]}}
        return [RenderedStringTemplateContent(content_block_type="string_template", string_template=template)]
