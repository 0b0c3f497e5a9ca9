"""The fault campaign: seeded scenarios over real loopback sockets, and a soak.

The truth, the model server and the judge are those of `simulation`; here a real client, on every
face, talks to a real server that breaks HTTP, TCP and gzip. A run is a number:
`python -m faults --seed 4711` plays it again.
"""
