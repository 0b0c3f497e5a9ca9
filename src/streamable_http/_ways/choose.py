"""Which way a stream goes on: the caller's, or what is provably faithful."""

from __future__ import annotations

from typing import Any

from .._decoders.engine import Engine
from .._order import Order
from .._resume import ByteRange, ItemCursor, LastEventID
from .._values import ResponseInfo
from .byte_range import ByBytes, offers_ranges
from .event_id import ByEventID
from .item import ByItem
from .way import Way

__all__ = ["first_way", "way_by_response"]


def first_way(order: Order[Any]) -> Way:
    """The way before there is a response."""
    resume = order.resume
    if isinstance(resume, ItemCursor):
        return ByItem(resume)
    if isinstance(resume, ByteRange) or order.start.etag:
        return ByBytes(order.start)
    by = resume.by if isinstance(resume, LastEventID) else "request"
    return ByEventID(by, asked=order.label.partition(" ")[2])


def way_by_response(order: Order[Any], head: ResponseInfo, engine: Engine[Any], way: Way) -> Way:
    """The way from a first response on, which shows what the server can do.

    Events go on by their IDs; bytes by ranges, where the server offers them with a strong ETag.
    """
    chosen = isinstance(order.resume, (ByteRange, ItemCursor, LastEventID))
    if chosen or engine.reconnects or order.method != "GET":
        return way
    return ByBytes(order.start) if offers_ranges(head) else way
