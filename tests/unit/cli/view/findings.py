"""Results for the tests of the output."""

from hashfinder_cli.view.json_lines import Finding
from hashfinder_client.events import Match, Progress
from hashfinder_client.query import Query

MATCH = Match(553195, b"\x07o\xef", "JrqhZVkTDoctYrUlXDbL6pfYQHU=", 1, 8)
FINDING = Finding(Query("doctor"), MATCH, is_ideal=False, seconds=0.1234567, rate=1e6)
REPORT = Progress(hashes=1_500_000, next_position=2**64 - 1, rate=8.4e7, best=MATCH, chance=0.5)
FIELDS = {
    "secret": "B2/v",
    "secret_hex": "076fef",
    "secret_text": None,
    "hashed_name": "JrqhZVkTDoctYrUlXDbL6pfYQHU=",
    "distance": 1,
    "position": 553195,
    "position_text": "553195",
}
