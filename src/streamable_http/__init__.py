"""A client for HTTP responses that arrive as a stream of items: complete, resumed, bounded.

The docs write `import streamable_http as shttp`.
"""

from ._async import AsyncStream
from ._async_flow import AsyncFlow
from ._async_many import AsyncMerged
from ._checkpoint import Checkpoint
from ._clients import AsyncClient, Client
from ._errors import (
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    ContentTypeError,
    DecodeError,
    LimitExceeded,
    RedirectError,
    ResumeError,
    RetriesExhausted,
    StatusError,
    StreamClosed,
    StreamError,
    StreamFailed,
    StreamsFailed,
    StreamTruncated,
    TimeoutExceeded,
)
from ._flow import Flow
from ._many import Merged
from ._reports import (
    Connected,
    Connecting,
    Ended,
    Failed,
    Gap,
    Outcome,
    Progress,
    Retrying,
    StreamEvent,
    StreamStats,
    Succeeded,
    Summary,
)
from ._request import Request, SharedOptions, StreamOptions
from ._resume import ByteRange, ItemCursor, LastEventID, NoResume
from ._retry import RetryPolicy
from ._stores import AtomicCursorStore, CursorStore, MemoryStore, SQLiteStore
from ._sync import Stream
from ._values import Cursor, Failure, Headers, Limits, ResponseInfo, Terminal, Timeouts
from ._version import __version__
from .decoders import (
    NDJSON,
    SSE,
    Decoder,
    DecoderFactory,
    JSONArray,
    JSONSeq,
    LengthPrefixed,
    Lines,
    Raw,
    ServerSentEvent,
    SSEData,
    SSEText,
    adecode,
    decode,
)
from .progress import track
from .service import AsyncStreamService, Health, Processed, StreamInfo, StreamService

__all__ = [
    "NDJSON",
    "SSE",
    "AsyncClient",
    "AsyncFlow",
    "AsyncMerged",
    "AsyncStream",
    "AsyncStreamService",
    "AtomicCursorStore",
    "ByteRange",
    "Checkpoint",
    "Client",
    "ConfigurationError",
    "ConnectError",
    "Connected",
    "Connecting",
    "ConnectionLost",
    "ContentTypeError",
    "Cursor",
    "CursorStore",
    "DecodeError",
    "Decoder",
    "DecoderFactory",
    "Ended",
    "Failed",
    "Failure",
    "Flow",
    "Gap",
    "Headers",
    "Health",
    "ItemCursor",
    "JSONArray",
    "JSONSeq",
    "LastEventID",
    "LengthPrefixed",
    "LimitExceeded",
    "Limits",
    "Lines",
    "MemoryStore",
    "Merged",
    "NoResume",
    "Outcome",
    "Processed",
    "Progress",
    "Raw",
    "RedirectError",
    "Request",
    "ResponseInfo",
    "ResumeError",
    "RetriesExhausted",
    "RetryPolicy",
    "Retrying",
    "SQLiteStore",
    "SSEData",
    "SSEText",
    "ServerSentEvent",
    "SharedOptions",
    "StatusError",
    "Stream",
    "StreamClosed",
    "StreamError",
    "StreamEvent",
    "StreamFailed",
    "StreamInfo",
    "StreamOptions",
    "StreamService",
    "StreamStats",
    "StreamTruncated",
    "StreamsFailed",
    "Succeeded",
    "Summary",
    "Terminal",
    "TimeoutExceeded",
    "Timeouts",
    "__version__",
    "adecode",
    "decode",
    "track",
]
