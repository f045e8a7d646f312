"""The text of /metrics: made once for all who ask."""

from hashfinder_web.exposition import Exposition


async def test_metrics_are_made_at_most_twice_a_second() -> None:
    """However often they are asked for: those of the server, and the gateway's own."""
    now, server, own = [0.0], ["a 1\n", "a 2\n"], ["b 1\n", "b 2\n"]
    exposition = Exposition(lambda: server.pop(0), lambda: own.pop(0), lambda: now[0])

    first = await exposition.body()
    now[0] = 0.49
    again = await exposition.body()
    now[0] = 0.5
    later = await exposition.body()

    assert (b"a 1\nb 1\n", first, b"a 2\nb 2\n") == (first, again, later)
