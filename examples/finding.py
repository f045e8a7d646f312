"""HashFinder from Python: one result, a stream with all that happens, and a race in asyncio."""

import asyncio
import logging
import sys

from hashfinder_client import AsyncFinder, Finder, Match, Pause, Progress, Query, StoppedError

log = logging.getLogger(__name__)


def find(server: str) -> Match | None:
    """Find one name; the search resumes after a spent budget, a refusal or a lost connection."""
    with Finder(server, timeout=600) as finder:
        try:
            return finder.find("doctor")
        except StoppedError as error:
            log.warning("%s; next position %s", error, error.next_position)
            return None


def follow(server: str) -> None:
    """Follow a search; leaving the block cancels it, however it is left."""
    query = Query("robot", inferior_distance=1, maximum_hashes=100_000_000)
    with Finder(server, progress_interval=0.5) as finder, finder.find_range(query) as events:
        for item in events:
            match item:
                case Match():
                    log.info("distance %d: %s", item.distance, item.hashed_name)
                case Progress():
                    log.info("%d hashes, chance %.2f by now", item.hashes, item.chance)
                case Pause():
                    log.info("resuming in %.1f s after %s", item.delay, item.error)


async def race(server: str, *names: str) -> Match:
    """Return what is found first; the server stops searching for the other names."""
    async with AsyncFinder(server) as finder:
        searches = [asyncio.create_task(finder.find(name)) for name in names]
        done, late = await asyncio.wait(searches, return_when=asyncio.FIRST_COMPLETED)
        for search in late:
            search.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return done.pop().result()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
    log.info("%s", find(address))
    follow(address)
    log.info("%s", asyncio.run(race(address, "teacher", "nurse")))
