"""The gate: challenger and champion on one untouched holdout, and the verdict."""
