"""Benchmarks of whole streams: this library, and what people use in its place, on the same bytes.

`python -m benchmarks.suite` runs all of it and writes `benchmarks/RESULTS.md` and the plots;
`quick` prints a part in under two minutes, and names of workloads take only those.
"""
