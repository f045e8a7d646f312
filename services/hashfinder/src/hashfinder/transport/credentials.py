"""The server's TLS credentials, which follow their files without a restart.

The files are looked at once a second, and checked off the event loop. gRPC asks for the newest set
at every handshake, on a thread of its own, and gets what is in memory. Connections that are open
stay as they are. A set that does not work is reported, and the former one remains.
"""

import asyncio
import ssl
import time
from datetime import UTC, datetime

import grpc
import structlog

from hashfinder.access.followed_files import FollowedFiles, follow
from hashfinder.transport.certificates import CertificateSet, TlsFiles, load_certificates

_SOON_SECONDS = 7 * 86_400.0
"""How long before its end a certificate is warned of, at the start and after a reload."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class TlsCredentials:
    """Certificates from files, as gRPC takes them. One server process has one."""

    def __init__(self, files: TlsFiles) -> None:
        """Load the files.

        Raises:
            CertificateError: they cannot be used; names the setting.
        """
        self.reloads = 0
        """How many times a changed set was taken."""
        self.failed_reloads = 0
        """How many changed sets were refused."""
        self._files = files
        self._sets = FollowedFiles("certificate", files.paths, lambda: load_certificates(files))
        self._watching: asyncio.Task[None] | None = None
        self._describe()

    @property
    def expires(self) -> float:
        """When the certificate in use expires, in seconds since 1970."""
        return self._sets.value.expires

    def metrics_context(self) -> ssl.SSLContext | None:
        """Return how the next connection to the metrics speaks TLS; None for plain text."""
        return self._sets.value.metrics

    def create(self) -> grpc.ServerCredentials:
        """Return credentials for one gRPC server, which take each newer set by themselves."""
        known = self._sets.value

        def newer() -> grpc.ServerCertificateConfiguration | None:
            nonlocal known
            latest = self._sets.value
            if latest is known:
                return None
            known = latest
            return _configuration(latest)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(known),
            newer,  # type: ignore[arg-type]  # None means no change, which the stubs do not know
            require_client_authentication=self._files.client_ca is not None,
        )

    def watch(self) -> None:
        """Follow the files from now on."""
        self._watching = asyncio.ensure_future(follow([self._sets], self._count))

    def stop(self) -> None:
        """Follow them no longer."""
        if self._watching is not None:
            self._watching.cancel()

    async def look(self) -> None:
        """Look at the files once; load them if they have changed, and not since the last look."""
        await self._sets.look(self._count)

    def _count(self, _name: str, was_taken: bool) -> None:  # noqa: FBT001  # as it is reported
        if was_taken:
            self.reloads += 1
            self._describe()
        else:
            self.failed_reloads += 1

    def _describe(self) -> None:
        left = self.expires - time.time()
        report = _log.warning if left < _SOON_SECONDS else _log.info
        report(
            "certificate loaded",
            certificate=self._files.certificate,
            expires=datetime.fromtimestamp(self.expires, UTC).isoformat(),
            days_left=int(left // 86_400),
        )


def _configuration(found: CertificateSet) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(found.key, found.chain)], root_certificates=found.client_ca
    )
