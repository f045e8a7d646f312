"""A server of one design: `python -m tests.bench.design_server DESIGN [FLAG VALUE]...`.

It prints its address, then answers every line on stdin with its ledger's counts or a snapshot, as
the line asks, in JSON. It ends when stdin does.
"""

import asyncio
import json
import os
import sys
import threading
from unittest.mock import patch

from hashfinder.app import Application
from hashfinder.config import load_settings
from hashfinder.kernel import Kernel, load_kernel
from hashfinder.observability.logs import LogFormat, configure_logging
from hashfinder.runtime.event_loop import run
from hashfinder.runtime.interpreter import tune_interpreter
from hashfinder.transport.adapt import RpcContext
from hashfinder.transport.servicer import SearchServicer
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.bench.baselines import MAXIMUM_HASHES, start_thread_per_rpc, start_to_thread
from tests.bench.ledger import AccountedKernel, Ledger

FLAGS = {
    "--port": 0,
    "--metrics-port": 0,
    "--client-identity": "connection",  # on loopback, all clients have one address
    "--maximum-hashes": MAXIMUM_HASHES,
    "--maximum-searches": 10_000,
    "--maximum-searches-per-client": 10_000,
}


async def serve_fair_chunks(kernel: Kernel, ledger: Ledger) -> None:
    """Serve the real application, its handler and its kernel being accounted for."""

    class AccountedServicer(SearchServicer):
        async def FindRange(  # type: ignore[override]  # as in SearchServicer
            self, request: HashNameRequest, context: RpcContext
        ) -> None:
            with ledger.handling(request.desired_name):
                await super().FindRange(request, context)

    given = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    flags = [str(word) for flag in {**FLAGS, **given}.items() for word in flag]
    with patch("hashfinder.app.SearchServicer", AccountedServicer):
        application = Application(load_settings(flags), kernel)
    await application.start()
    _answer(ledger, application.address, asyncio.get_running_loop())
    await application.lifecycle.run()


async def serve_to_thread(kernel: Kernel, ledger: Ledger) -> None:
    """Serve aio with `asyncio.to_thread`."""
    server, address = await start_to_thread(kernel, ledger)
    _answer(ledger, address, asyncio.get_running_loop())
    await server.wait_for_termination()


def serve_thread_per_rpc(kernel: Kernel, ledger: Ledger) -> None:
    """Serve with one thread for each RPC."""
    server, address = start_thread_per_rpc(kernel, ledger)
    _answer(ledger, address)
    server.wait_for_termination()


def _answer(ledger: Ledger, address: str, loop: asyncio.AbstractEventLoop | None = None) -> None:
    """Print the address; answer questions from a thread of its own."""

    def answer() -> None:
        print(address, flush=True)  # the protocol
        for question in sys.stdin:
            if question.strip() == "counts":
                reply = ledger.counts()
            else:
                tasks = len(asyncio.all_tasks(loop)) if loop else 0
                reply = {**ledger.snapshot(), "tasks": tasks}
            print(json.dumps(reply), flush=True)
        os._exit(0)

    threading.Thread(target=answer, name="answers", daemon=True).start()


def main() -> None:
    """Serve the design that the first argument names."""
    ledger = Ledger()
    kernel = AccountedKernel(load_kernel(), ledger)
    tune_interpreter()  # for all, since `hashfinder` has it
    configure_logging(LogFormat.JSON, "info")
    match sys.argv[1]:
        case "fair-chunks":
            run(serve_fair_chunks(kernel, ledger))
        case "thread-per-rpc":
            serve_thread_per_rpc(kernel, ledger)
        case "to-thread":
            asyncio.run(serve_to_thread(kernel, ledger))
        case unknown:
            sys.exit(f"no such design: {unknown}")


if __name__ == "__main__":
    main()
