"""Print how fast the kernel on the path searches the default job, in candidates per CPU second.

    one_rate.py BACKEND SECONDS

Runs with this version of HashFinder and with earlier ones: `bench_kernel --against` starts it.
"""

import sys
import time
from functools import partial
from importlib import import_module

from hashfinder.kernel import load_kernel

CHUNK, CAPACITY = 2**17, 1024


def main() -> None:
    """Measure and print."""
    kernel = load_kernel(sys.argv[1])
    if hasattr(kernel, "prepare"):
        from hashfinder_rules.query import Query  # noqa: PLC0415

        scan = kernel.prepare(Query("doctor", 0, 1)).scan
    else:  # before 0.2
        before = import_module("hashfinder.domain.query").Query
        scan = partial(getattr(kernel, "scan"), before("doctor", 0, 1))  # noqa: B009
    position = first = (256**5 - 1) // 255 + 256**5 // 3
    began = time.thread_time()
    while time.thread_time() - began < float(sys.argv[2]):
        stop = position + CHUNK
        while position < stop:
            position = scan(position, stop, 0, CAPACITY).stop
    print((position - first) / (time.thread_time() - began))


if __name__ == "__main__":
    main()
