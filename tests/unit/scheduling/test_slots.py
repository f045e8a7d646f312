"""Which slot is revoked for another client, at times that the test chooses."""

from hashfinder.scheduling.slots import SlotTable


def test_search_keeps_the_only_slot_of_its_client_for_a_minute() -> None:
    """It is revoked exactly a minute after it was granted, if a client without a slot needs it."""
    slots = SlotTable()
    slot = slots.add("a", 1000.0)

    assert slots.reclaim(0, 1059.9) is None
    assert slot is slots.reclaim(0, 1060.0)


def test_client_with_equally_many_slots_takes_none() -> None:
    """However long the other client has held its slot."""
    slots = SlotTable()
    slots.add("a", 0.0)

    assert slots.reclaim(1, 3600.0) is None


def test_oldest_slot_of_the_client_with_most_is_revoked() -> None:
    """It no longer counts as the client's, but it is taken until it is released."""
    slots = SlotTable()
    slots.add("a", 0.0)
    first, _ = slots.add("b", 10.0), slots.add("b", 11.0)

    assert first is slots.reclaim(0, 12.0)
    assert (1, 1, 3) == (slots.count("a"), slots.count("b"), slots.taken)
    slots.remove(first)
    assert (1, 2) == (slots.count("b"), slots.taken)


def test_nothing_is_revoked_if_no_slot_is_held() -> None:
    """The same holds if every slot has been revoked already."""
    assert SlotTable().reclaim(0, 0.0) is None
