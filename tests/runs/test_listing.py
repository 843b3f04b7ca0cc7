"""The list of inputs as a queue on disk."""

from __future__ import annotations

import threading
import tracemalloc

import pytest

from sonoscope.audio.find import Unlisted
from sonoscope.runs.listing import Listing
from sonoscope.values import Recording


def drain(listing: Listing) -> list:
    found = []
    while True:
        entry = listing.next(0.5)
        if entry is not None:
            found.append(entry)
        elif listing.exhausted:
            listing.close()
            return found


def test_everything_comes_out_as_it_went_in(tmp_path):
    given = [
        Recording("/a/b.wav", "b.wav", None, 5, 6),
        Recording("/a/z.zip", "z.zip/\n\udcff ü.wav", "\n\udcff ü.wav"),
        Unlisted("closed", "may not be read", "Ask."),
    ]
    listing = Listing(iter(given), tmp_path / "spool")
    assert drain(listing) == given
    assert (listing.total, listing.size_bytes, listing.complete) == (3, 5, True)


def test_nothing_is_nothing(tmp_path):
    assert drain(Listing(iter(()), tmp_path / "spool")) == []


def test_work_can_begin_while_the_listing_goes_on(tmp_path):
    gate = threading.Event()

    def slow():
        yield Recording("a", "a")
        gate.wait(10)
        yield Recording("b", "b")

    listing = Listing(slow(), tmp_path / "spool")
    assert listing.next(5) == Recording("a", "a")
    assert listing.next(0.01) is None and not listing.exhausted and not listing.complete
    gate.set()
    assert listing.next(5) == Recording("b", "b")
    assert drain(listing) == []


def test_what_stops_the_listing_reaches_the_run(tmp_path):
    def broken():
        yield Recording("a", "a")
        raise OSError("the disk is gone")

    listing = Listing(broken(), tmp_path / "spool")
    assert listing.next(5) == Recording("a", "a")
    with pytest.raises(OSError, match="the disk is gone"):
        drain(listing)
    listing.close()


def test_memory_does_not_grow_with_the_number_of_inputs(tmp_path):
    many = (Recording(f"/data/site/{i}.wav", f"site/{i}.wav", None, 1000, i) for i in range(20_000))
    tracemalloc.start()
    listing = Listing(many, tmp_path / "spool")
    count = 0
    while not listing.exhausted:
        count += listing.next(0.5) is not None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    listing.close()
    assert count == listing.total == 20_000
    assert peak < 1_000_000
