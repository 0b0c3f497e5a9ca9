"""The life of streams in virtual time: a model server, a faulty network, restarts, and a judge.

No sockets and no clocks: the real streams and operators of the library, whose effects a network of
bytes in memory performs. A run is a number: `python -m simulation --seed 4711` plays it again.
"""
