"""Converters to ONNX of estimators that skl2onnx does not know: LightGBM's and XGBoost's, as onnxmltools has them.

A converter is registered only when an estimator of its library is to be converted, so that neither library has to be
installed. What comes out is proven by `contender.stages.train.store` as for any other estimator.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)

# Of each library: its converter's module and function, and the scikit-learn estimators that it converts.
CONVERTERS = {
    "lightgbm": (
        "onnxmltools.convert.lightgbm.operator_converters.LightGbm",
        "convert_lightgbm",
        ("LGBMClassifier", "LGBMRegressor"),
    ),
    "xgboost": (
        "onnxmltools.convert.xgboost.operator_converters.XGBoost",
        "convert_xgboost",
        ("XGBClassifier", "XGBRegressor"),
    ),
}
CLASSIFIER_OPTIONS = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
# The version of the operators for machine learning that onnxmltools asks for: it refuses skl2onnx's newer one.
ML_OPSET = 3


def register(model: Any) -> dict[str, int]:
    """Make the last step of a fitted model known to skl2onnx, where it is one of these libraries'.

    Args:
        model: A fitted estimator or pipeline.

    Returns:
        Operator sets that the conversion has to keep to, by domain; empty for scikit-learn's own estimators.

    Raises:
        ImportError: The estimator's library is installed without onnxmltools; `make extras` installs both.
    """
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    library = type(last).__module__.partition(".")[0]
    if library not in CONVERTERS:
        return {}
    module, function, names = CONVERTERS[library]
    convert = getattr(import_module(module), function)
    for name in names:
        classifies = name.endswith("Classifier")
        update_registered_converter(
            getattr(import_module(library), name),
            name,
            calculate_linear_classifier_output_shapes if classifies else calculate_linear_regressor_output_shapes,
            convert,
            overwrite=True,
            options=CLASSIFIER_OPTIONS if classifies else None,
        )
    return {"ai.onnx.ml": ML_OPSET}
