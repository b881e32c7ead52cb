"""The benchmarks behind docs/benchmarks.md."""
