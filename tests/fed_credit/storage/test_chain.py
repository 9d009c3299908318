"""Hash chains: any one change shows."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fed_credit.storage.chain import GENESIS, START, Head, Link, extended, faults


def test_a_hash_is_over_the_one_before_and_the_content() -> None:
    first, second = extended(START, ["a", "b"])
    assert first.hash == hashlib.sha256(f"{GENESIS}a".encode()).hexdigest()
    assert second == Link(2, "b", hashlib.sha256(f"{first.hash}b".encode()).hexdigest())


@given(contents=st.lists(st.text(max_size=5), min_size=2, max_size=8), data=st.data())
def test_each_change_shows(contents: list[str], data: st.DataObject) -> None:
    links = extended(START, contents)
    end = Head(links[-1].number, links[-1].hash)
    assert not list(faults(links, START, end, "row"))
    place = data.draw(st.integers(0, len(links) - 1))
    one = links[place]
    changed = [*links[:place], Link(one.number, f"{one.content}!", one.hash), *links[place + 1 :]]
    removed = links[:place] + links[place + 1 :]
    added = [*links, *extended(end, ["more"])]
    for other in (changed, removed, added):
        assert list(faults(other, START, end, "row"))


@pytest.mark.parametrize("cut", [1, 2])
def test_a_cut_off_end_shows(cut: int) -> None:
    links = extended(START, ["a", "b", "c"])
    found = list(faults(links[:-cut], START, Head(3, links[-1].hash), "row"))
    assert found == [f"the last row is number {3 - cut} of 3: the end was cut off"]


def test_rows_anew_from_some_place_on_show_at_the_end() -> None:
    links = extended(START, ["a", "b", "c"])
    forged = [links[0], *extended(Head(1, links[0].hash), ["B", "c"])]
    (found,) = faults(forged, START, Head(3, links[-1].hash), "row")
    assert found == "the last row, number 3, is not the one that the chain ended with"
