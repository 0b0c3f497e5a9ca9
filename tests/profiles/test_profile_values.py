"""A profile is a value: frozen, comparable, picklable, and made of options that streams have."""

from __future__ import annotations

import pickle
from typing import Any

import attrs
import pytest

from streamable_http import SSE, Client, LastEventID, Request, StreamOptions, Timeouts, profiles
from streamable_http.profiles import Profile, ProfileOptions

ALL = {
    name: value
    for name in profiles.__all__
    if isinstance(value := getattr(profiles, name), Profile)
}


@pytest.fixture(params=[*ALL])
def profile(request: pytest.FixtureRequest) -> Profile[Any]:
    return ALL[request.param]


def test_every_profile_is_exported() -> None:
    every = {name for name, value in vars(profiles).items() if isinstance(value, Profile)}
    assert every == {*ALL}
    assert len(ALL) == 9


def test_its_options_are_those_of_a_stream() -> None:
    known = {*StreamOptions.__optional_keys__, "decoder"}
    assert set(ProfileOptions.__annotations__) <= known


def test_a_stream_and_a_request_take_it(profile: Profile[Any]) -> None:
    with Client() as client:
        client.stream("GET", "http://testserver/", **profile.options())
    request = Request("GET", "http://testserver/", **profile.options())
    assert request.decoder == profile.decoder


def test_it_survives_pickle(profile: Profile[Any]) -> None:
    assert pickle.loads(pickle.dumps(profile)) == profile


def test_it_cannot_be_changed_but_copied(profile: Profile[Any]) -> None:
    changing: Any = profile
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        changing.follow = True
    other = attrs.evolve(profile, timeouts=Timeouts(idle=5))
    assert other.options().get("timeout") == Timeouts(idle=5)
    assert other != profile


def test_what_it_does_not_say_is_left_to_the_client() -> None:
    assert Profile(decoder=SSE()).options() == {"decoder": SSE()}


def test_what_it_says() -> None:
    every = Profile(
        decoder=SSE(),
        terminal="end",
        failure=callable,
        resume=LastEventID(),
        follow=True,
        timeouts=Timeouts(),
        accept="text/plain",
    )
    assert every.options() == {
        "decoder": SSE(),
        "terminal": "end",
        "failure": callable,
        "resume": LastEventID(),
        "follow": True,
        "timeout": Timeouts(),
        "headers": (("Accept", "text/plain"),),
    }


@pytest.mark.parametrize("headers", [{"X-A": "1"}, [("X-A", "1")]])
def test_headers_of_your_own(headers: Any) -> None:
    plain = Profile(decoder=SSE())
    assert plain.options(headers).get("headers") == headers
    asking = attrs.evolve(plain, accept="text/plain")
    assert asking.options(headers).get("headers") == (("Accept", "text/plain"), ("X-A", "1"))
    own = asking.options({"accept": "text/html"})
    assert own.get("headers") == (("accept", "text/html"),)
