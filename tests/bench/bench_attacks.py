"""`make bench-attacks`: what each attack does to a server, the table of docs/security.md."""

import argparse
import math
import sys

from tests.attacks import ATTACKS
from tests.bench.attack import AttackResult, run_attack
from tests.bench.machine import CpuTimes, description


def main() -> int:
    """Run every attack; print a table row for each."""
    parser = argparse.ArgumentParser(prog="make bench-attacks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each attack lasts (5)")
    parser.add_argument("--only", default="", help="a part of the names of those to make")
    arguments = parser.parse_args()
    print("; ".join(f"{name} {value}" for name, value in description().items()))
    cpu = CpuTimes.now()
    print(
        "\n| attack | what the attacker gets | health p50 | p99 | memory | neighbour's share |"
        " search afterwards |"
    )
    print("|---|---|---:|---:|---:|---:|---:|")
    for name in ATTACKS:
        if arguments.only in name:
            print(row(name, run_attack(name, arguments.seconds)), flush=True)
    others = CpuTimes.now().others_since(cpu)
    print(f"\nOthers used {others:.0%} of the machine meanwhile.")
    return 0


def row(name: str, result: AttackResult) -> str:
    """Return a row of the table."""
    times = " | ".join(f"{1000 * s:,.0f} ms" for s in (result.health_p50, result.health_p99))
    after = f"{result.search_after:.2g} s" if math.isfinite(result.search_after) else "none in 60 s"
    memory, share = f"{result.peak_mb:.0f} MiB", f"{result.neighbour:.0%}"
    return f"| {name} | {result.outcome} | {times} | {memory} | {share} | {after} |"


if __name__ == "__main__":
    sys.exit(main())
