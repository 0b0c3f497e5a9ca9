"""What goes on behind an event ID, by which request, and in which words it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from playbook import URL, head, session

from streamable_http._decoders.engine import Batch, Position
from streamable_http._effects import Target
from streamable_http._errors import ResumeError
from streamable_http._resume import LastEventID
from streamable_http._ways.event_id import ByEventID
from streamable_http._ways.replay import Replay

HERE = Target("POST", URL)
AT_7 = Position("7")


@pytest.mark.parametrize(
    ("by", "bodiless"), [("request", False), ("get", True), ("location", True)]
)
def test_only_a_get_sends_no_body_again(by: Any, bodiless: bool) -> None:
    assert ByEventID(by).bodiless(AT_7) is bodiless
    assert ByEventID(by).bodiless(Position()) is False


def test_the_words_of_a_refusal() -> None:
    way = ByEventID()
    assert way.refusal(Position(), live=False) == "its events have no IDs"
    assert way.refusal(Position(), live=True) == ""
    assert way.refusal(AT_7, live=False) == ""
    inexact = Position("7", exact=False)
    assert way.refusal(inexact, live=True) == "too many items came since the last event ID"


def test_an_unknown_location_is_said_so() -> None:
    way = ByEventID("location")
    with pytest.raises(ResumeError) as caught:
        way.plan(HERE, AT_7, begun=True)
    assert str(caught.value) == (
        "the Location of an earlier run is not known: open a stream with a GET of it"
    )
    way.connected(head(), Position(), None)
    with pytest.raises(ResumeError) as caught:
        way.plan(HERE, AT_7, begun=True)
    assert str(caught.value) == "the response named no Location of its own origin to go on at"


def test_80_characters_of_an_id_that_cannot_be_sent_are_shown() -> None:
    with pytest.raises(ResumeError) as caught:
        ByEventID().plan(HERE, Position("\n" + "x" * 100), begun=True)
    assert repr("\n" + "x" * 79) + " cannot be sent in a header" in str(caught.value)


def test_repeats_are_counted_from_batch_to_batch() -> None:
    class Marks:
        def position(self, index: int, /) -> Position:
            return AT_7

        def digest(self, index: int, /) -> bytes | None:
            return b"same"

    replay = Replay((b"same",) * 3)
    for dropped in (1, 2, 3):
        assert replay.drop(Batch(["x"], Marks())).items == []
        assert replay.dropped == dropped
    assert replay.drop(Batch(["x"], Marks())).items == ["x"]


def test_the_way_before_there_is_a_response() -> None:
    for by in ("request", "get", "location"):
        assert session(resume=LastEventID(by=by))._way.bodiless(AT_7) is (by != "request")
