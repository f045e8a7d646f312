"""The copy of the server's metrics: filtered, and summed over servers."""

from hashfinder_web.upstream.metrics import fetch_all, summed

ONE = """\
# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 0.5
# HELP hashfinder_hashes_total Positions scanned.
# TYPE hashfinder_hashes_total counter
hashfinder_hashes_total 1000.0
# TYPE hashfinder_cancellations_total counter
hashfinder_cancellations_total{cause="deadline",method="Find"} 2.0
"""
OTHER = ONE.replace("1000.0", "1e+06").replace('"deadline"', '"budget"')


def test_metrics_are_summed_over_the_servers() -> None:
    """Series of a single server are included, and comments come once."""
    assert (
        "# HELP hashfinder_hashes_total Positions scanned.\n"
        "# TYPE hashfinder_hashes_total counter\n"
        "hashfinder_hashes_total 1001000.0\n"
        "# TYPE hashfinder_cancellations_total counter\n"
        'hashfinder_cancellations_total{cause="deadline",method="Find"} 2.0\n'
        'hashfinder_cancellations_total{cause="budget",method="Find"} 2.0\n'
    ) == summed([ONE, OTHER])


def test_unreachable_servers_are_left_out() -> None:
    """Such as one that refuses connections, or a name without an address."""
    assert [] == fetch_all("http://127.0.0.1:1/metrics")
    assert [] == fetch_all("http://nowhere.invalid:1/metrics")
