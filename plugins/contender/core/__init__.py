"""What everything else stands on: the spec, intervals, names, results, errors. Standard library and pydantic only."""
