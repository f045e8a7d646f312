"""Which slot is given up for another client, at times that the test chooses."""

from hashfinder.scheduling.slots import SlotLedger


def test_search_keeps_the_only_slot_of_its_client_for_a_minute() -> None:
    """From when it got it, to the second: then a client without a slot gets it."""
    slots = SlotLedger()
    slot = slots.add("a", 1000.0)

    assert slots.reclaim(0, 1059.9) is None
    assert slot is slots.reclaim(0, 1060.0)


def test_client_with_as_many_slots_gets_none_of_another() -> None:
    """However long that one has held it."""
    slots = SlotLedger()
    slots.add("a", 0.0)

    assert slots.reclaim(1, 3600.0) is None


def test_oldest_slot_of_the_client_with_most_is_given_up_and_counts_no_longer() -> None:
    """It is still taken, until it is given back."""
    slots = SlotLedger()
    slots.add("a", 0.0)
    first, _ = slots.add("b", 10.0), slots.add("b", 11.0)

    assert first is slots.reclaim(0, 12.0)
    assert (1, 1, 3) == (slots.count("a"), slots.count("b"), slots.taken)
    slots.remove(first)
    assert (1, 2) == (slots.count("b"), slots.taken)


def test_nothing_is_given_up_where_nothing_is_held() -> None:
    """As when every slot has been asked for already."""
    assert SlotLedger().reclaim(0, 0.0) is None
