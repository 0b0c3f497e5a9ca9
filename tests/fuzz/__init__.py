"""Inputs made to break things: near-misses of every format, cut anywhere, and servers that lie.

`nox -s fuzz -- 600` goes on for 600 seconds; without a number, and in the test suite, it is short.
Each target draws from a grammar of its own, so that what it makes comes close to what is valid.
"""
