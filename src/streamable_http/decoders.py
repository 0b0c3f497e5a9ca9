"""Decoders: the built-in ones, and what is needed to write one."""

from ._decoders.arrays import JSONArray
from ._decoders.engine import BadItem, Decoder, DecoderFactory
from ._decoders.frames import LengthPrefixed
from ._decoders.json_sequence import JSONSeq
from ._decoders.plain import adecode, decode
from ._decoders.records import NDJSON
from ._decoders.sse import SSE, SSEData, SSEText
from ._decoders.sse_event import ServerSentEvent
from ._decoders.text import Lines, Raw

__all__ = [
    "NDJSON",
    "SSE",
    "BadItem",
    "Decoder",
    "DecoderFactory",
    "JSONArray",
    "JSONSeq",
    "LengthPrefixed",
    "Lines",
    "Raw",
    "SSEData",
    "SSEText",
    "ServerSentEvent",
    "adecode",
    "decode",
]
