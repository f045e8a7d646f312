"""The copy of the server's metrics: filtered, and summed over servers."""

import urllib.request
from pathlib import Path
from unittest.mock import Mock

import pytest

from deploy.certs import Authority
from hashfinder_client import Tls
from hashfinder_web.upstream.metrics import ServerMetrics, summed

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
    assert [] == ServerMetrics("http://127.0.0.1:1/metrics").fetch_all()
    assert [] == ServerMetrics("http://nowhere.invalid:1/metrics").fetch_all()


def test_certificates_are_read_when_they_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for every scrape: those of the system take some milliseconds, even unused."""
    made = Mock(side_effect=urllib.request.build_opener)
    monkeypatch.setattr(urllib.request, "build_opener", made)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(Authority().pem)
    with_tls = ServerMetrics("https://127.0.0.1:1/metrics", Tls(ca=ca))
    plain = ServerMetrics("http://127.0.0.1:1/metrics")

    for _ in range(3):
        with_tls.fetch_all()
        plain.fetch_all()
    assert 2 == made.call_count
    ca.write_bytes(Authority("other").pem)
    for _ in range(3):
        with_tls.fetch_all()
        plain.fetch_all()
    assert 3 == made.call_count
