"""A batch that is handed out in portions: places are the same as if it went out at once."""

from __future__ import annotations

import pytest

from streamable_http._decoders.engine import Batch, Position
from streamable_http._delivery import Delivery


class Numbered:
    def position(self, index: int) -> Position:
        return Position(event_id=str(index + 1))

    def digest(self, index: int) -> bytes | None:
        return None


def batch(count: int) -> Batch[int]:
    return Batch([*range(1, count + 1)], Numbered(), Position(event_id=str(count)))


@pytest.mark.parametrize("portion", [None, 1, 2, 3, 4, 7, 8, 100])
def test_every_place_is_the_items_own(portion: int | None) -> None:
    delivery = Delivery[int](Position(event_id="0"), 5)
    delivery.load(batch(7), portion)
    seen: list[int] = []
    while True:
        for item in delivery.items:
            seen.append(item)
            assert delivery.handed == 5 + item
            assert delivery.committed().resolve().event_id == str(item - 1)
            assert delivery.committed().items == 5 + item - 1
            assert delivery.after_handed().resolve().event_id == str(item)
        delivery.acknowledge()
        assert delivery.committed().items == 5 + len(seen)
        if not delivery.more(portion):
            break
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    delivery.finish()
    assert delivery.committed().resolve() == Position(event_id="7")
    assert delivery.handed == delivery.committed().items == 12
    assert not delivery.more(portion)


def test_what_is_left_at_once_is_the_portions() -> None:
    delivery = Delivery[int](Position())
    delivery.load(batch(7), 3)
    assert next(delivery.items) == 1
    assert delivery.rest() == [2, 3]
    assert delivery.rest() == []
    assert delivery.more(3)
    assert delivery.rest() == [4, 5, 6]


def test_portions_that_were_not_handed_out_are_not_passed() -> None:
    delivery = Delivery[int](Position())
    delivery.load(batch(7), 3)
    assert [*delivery.items] == [1, 2, 3]
    delivery.finish()
    assert delivery.committed().resolve().event_id == "3"
    delivery.load(batch(7), 3)
    assert delivery.handed == 3
