"""A server of one design: `python -m tests.bench.design_server DESIGN [FLAG VALUE]...`.

It prints its address. It then answers each line on stdin with a line of JSON: counts or a full
snapshot of its recorder, as the line asks. It ends when stdin does.
"""

import asyncio
import json
import os
import sys
import threading
from unittest.mock import patch

from hashfinder.app import Application
from hashfinder.config import Settings
from hashfinder.kernel import Kernel, load_kernel
from hashfinder.runtime.event_loop import run
from hashfinder.runtime.interpreter import tune_interpreter
from hashfinder.transport.adapt import RpcContext
from hashfinder.transport.servicer import SearchServicer
from hashfinder_process.logs import configure_logging
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.bench.baselines import MAXIMUM_HASHES, start_thread_per_rpc, start_to_thread
from tests.bench.recorder import RecordedKernel, SearchRecorder

FLAGS = {
    "--port": 0,
    "--metrics-port": 0,
    "--client-identity": "connection",  # on loopback, all clients have the same address
    "--maximum-hashes": MAXIMUM_HASHES,
    "--maximum-searches": 10_000,
    "--maximum-searches-per-client": 10_000,
}


async def serve_fair_chunks(kernel: Kernel, recorder: SearchRecorder) -> None:
    """Serve the real application, with a recorder in its handler and kernel."""

    class RecordedServicer(SearchServicer):
        async def FindRange(  # type: ignore[override]  # as in SearchServicer
            self, request: HashNameRequest, context: RpcContext
        ) -> None:
            with recorder.handling(request.desired_name):
                await super().FindRange(request, context)

    given = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    flags = [str(word) for flag in {**FLAGS, **given}.items() for word in flag]
    with patch("hashfinder.app.SearchServicer", RecordedServicer):
        application = Application(Settings.load(flags), kernel)
    await application.start()
    _answer(recorder, application.address, asyncio.get_running_loop())
    await application.lifecycle.run()


async def serve_to_thread(kernel: Kernel, recorder: SearchRecorder) -> None:
    """Serve with grpc.aio and `asyncio.to_thread`."""
    server, address = await start_to_thread(kernel, recorder)
    _answer(recorder, address, asyncio.get_running_loop())
    await server.wait_for_termination()


def serve_thread_per_rpc(kernel: Kernel, recorder: SearchRecorder) -> None:
    """Serve with one thread for each RPC."""
    server, address = start_thread_per_rpc(kernel, recorder)
    _answer(recorder, address)
    server.wait_for_termination()


def _answer(
    recorder: SearchRecorder, address: str, loop: asyncio.AbstractEventLoop | None = None
) -> None:
    """Print the address; answer the questions on stdin from a separate thread."""

    def answer() -> None:
        print(address, flush=True)  # the protocol
        for question in sys.stdin:
            if question.strip() == "counts":
                reply = recorder.counts()
            else:
                tasks = len(asyncio.all_tasks(loop)) if loop else 0
                reply = {**recorder.snapshot(), "tasks": tasks}
            print(json.dumps(reply), flush=True)
        os._exit(0)

    threading.Thread(target=answer, name="answers", daemon=True).start()


def main() -> None:
    """Serve the design that the first argument names."""
    recorder = SearchRecorder()
    kernel = RecordedKernel(load_kernel(), recorder)
    tune_interpreter()  # in every design, since `hashfinder` does it
    configure_logging(console=False, level="info")
    match sys.argv[1]:
        case "fair-chunks":
            run(serve_fair_chunks(kernel, recorder))
        case "thread-per-rpc":
            serve_thread_per_rpc(kernel, recorder)
        case "to-thread":
            asyncio.run(serve_to_thread(kernel, recorder))
        case unknown:
            sys.exit(f"no such design: {unknown}")


if __name__ == "__main__":
    main()
