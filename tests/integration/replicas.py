"""Servers behind one name with one DNS record each, like a headless Service of Kubernetes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from dnslib import QTYPE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSHandler, DNSLogger, DNSServer

from tests.integration.server_process import ServerProcess

NAME = "hashfinder.test"


class NameServer(BaseResolver):  # type: ignore[misc] # dnslib has no types
    """A DNS server on loopback that knows one name, whose addresses change."""

    def __init__(self) -> None:
        """Start without addresses."""
        self.addresses: list[str] = []
        # DNSLogger writes the kinds of messages that `log` names; "nothing" is none of them.
        logger = DNSLogger(log="nothing")
        self._server = DNSServer(self, address="127.0.0.1", port=0, logger=logger)
        self.port = self._server.server.server_address[1]

    def resolve(self, request: DNSRecord, _: DNSHandler) -> DNSRecord:
        """Answer with the current addresses and a TTL of 0."""
        reply = request.reply()
        if request.q.qtype == QTYPE.A and str(request.q.qname).rstrip(".") == NAME:
            for address in self.addresses:
                reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A(address), ttl=0))
        return reply

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer in a thread while the context is open."""
        self._server.start_thread()
        try:
            yield
        finally:
            self._server.stop()
            self._server.thread.join()
            self._server.server.server_close()


class Replicas:
    """Servers on one port of several addresses, and the name that leads to those that serve."""

    def __init__(
        self, names: NameServer, start: Callable[..., ServerProcess], flags: tuple[str, ...]
    ) -> None:
        """Start three servers with `flags`."""
        self.servers: dict[str, ServerProcess] = {}
        """The servers that the name has, by address."""
        self._names = names
        self._start = start
        self._flags = flags
        self._addresses = (f"127.0.0.{number}" for number in count(1))
        self._port = "0"
        for _ in range(3):
            self.add()

    @property
    def target(self) -> str:
        """The target for a client."""
        return f"dns://127.0.0.1:{self._names.port}/{NAME}:{self._port}"

    def add(self) -> ServerProcess:
        """Start another server at a new address, and add its record."""
        address = next(self._addresses)
        server = self._start("--host", address, "--port", self._port, *self._flags)
        self._port = server.address.rpartition(":")[2]
        self.servers[address] = server
        self._publish()
        return server

    def remove(self) -> ServerProcess:
        """Remove the oldest server's record; return the server, which keeps running."""
        server = self.servers.pop(next(iter(self.servers)))
        self._publish()
        return server

    def _publish(self) -> None:
        self._names.addresses = list(self.servers)


StartReplicas = Callable[..., Replicas]


def searches(server: ServerProcess) -> float:
    """Return how many RPCs a server has started."""
    return server.metric("grpc_server_started_total", grpc_service="hash_name.HashFinder")
