"""The interfaces of other packages, on our decoding: change one import, and nothing else."""
