"""The decoders: bytes in, items out; no clock, no socket, bounded and linear."""
