"""Decoders: the built-in ones, and what is needed to write one."""

from ._decoders.arrays import JSONArray
from ._decoders.csv_table import CSV
from ._decoders.engine import BadItem, Decoder, DecoderFactory, PositionedDecoder
from ._decoders.frames import LengthPrefixed
from ._decoders.json_sequence import JSONSeq
from ._decoders.multipart import Multipart, Part
from ._decoders.plain import adecode, decode
from ._decoders.records import NDJSON
from ._decoders.sse import SSE, SSEData, SSEText
from ._decoders.sse_event import ServerSentEvent
from ._decoders.text import Lines, Raw

__all__ = [
    "CSV",
    "NDJSON",
    "SSE",
    "BadItem",
    "Decoder",
    "DecoderFactory",
    "JSONArray",
    "JSONSeq",
    "LengthPrefixed",
    "Lines",
    "Multipart",
    "Part",
    "PositionedDecoder",
    "Raw",
    "SSEData",
    "SSEText",
    "ServerSentEvent",
    "adecode",
    "decode",
]
