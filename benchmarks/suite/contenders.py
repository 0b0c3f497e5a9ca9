"""Who reads what: the contenders of each workload."""

from __future__ import annotations

from . import node, ours, peers_async, peers_rows, peers_sse, sockets
from .contender import Contender

LIMITS = [sockets.RAW, sockets.DECODED]
BOTH_SSE = [peers_sse.HTTPX_SSE, peers_async.SSE]

CONTENDERS: dict[str, list[Contender]] = {
    "a": [
        *peers_sse.ALL,
        *peers_async.ALL,
        peers_sse.HTTPX_SSE_LOADS,
        peers_sse.HTTPX_SSE_STRUCT,
        node.PARSER,
        *LIMITS,
        *ours.SSE,
        *ours.TEXT,
        *ours.DATA_DICT,
        *ours.DATA_STRUCT,
        *ours.PREFETCH,
    ],
    "b": [*peers_sse.ALL, *peers_async.ALL, node.PARSER, *LIMITS, *ours.SSE, *ours.TEXT],
    "b-tls": [*BOTH_SSE, peers_sse.HTTPX2, sockets.DECODED, *ours.SSE],
    "c": [
        peers_rows.LINES,
        peers_async.LINES,
        peers_rows.LINES_STRUCT,
        peers_rows.LINES_MODEL,
        peers_async.NAIVE_NDJSON,
        *ours.LINES_DICT,
        *ours.LINES_STRUCT,
        ours.LINES_MODEL,
    ],
    "d": [
        *peers_sse.CHUNKS,
        peers_async.SSE_LOADS._replace(gives="chunk"),
        peers_async.NAIVE_LOADS,
        *ours.CHUNK_DICT,
        *ours.CHUNK_STRUCT,
    ],
    "e": [
        peers_rows.BYTES,
        peers_async.BYTES,
        peers_async.AIOHTTP_BYTES,
        sockets.PARSED,
        *ours.BYTES,
    ],
    "f": [
        peers_rows.CELLS,
        peers_async.CSV_LINES,
        peers_rows.ROWS,
        *ours.CSV_CELLS,
        *ours.CSV_DICT,
        *ours.CSV_STRUCT,
    ],
    "g": [*BOTH_SSE, peers_async.SSE_OVER_AIOHTTP, peers_async.NAIVE, sockets.DECODED, *ours.SSE],
    "i": [
        *BOTH_SSE,
        peers_sse.HTTPX_SSE_LOADS,
        *ours.SSE,
        *ours.DATA_DICT,
        *ours.DATA_STRUCT,
    ],
    "i-each": [*BOTH_SSE, peers_sse.HTTPX_SSE_LOADS, *ours.SSE, *ours.DATA_STRUCT],
    "gzip": [*BOTH_SSE, *ours.SSE],
    "array": [
        peers_rows.IJSON,
        peers_rows.JSON_STREAM,
        peers_rows.WHOLE,
        *ours.ARRAY,
    ],
}
