"""One module for each outside system; they know the core alone."""
