"""The image, built once, and a stack that runs it."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.container.stack import Stack, docker, eventually, private_copy


class Job(NamedTuple):
    """The client job of the stack after its end."""

    exit_code: int
    log: str
    ended: float
    """The time at which Prometheus had scraped all of it, in Unix seconds."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack with its images built and nothing running; everything is removed afterwards.

    It is built from a tree that only its owner can read, as with a umask of 077.
    """
    stack = Stack(private_copy(tmp_path_factory.mktemp("tree")))
    try:
        stack.compose("build", "server", "prometheus")
        yield stack
    finally:
        stack.compose("down", "--volumes", "--remove-orphans", "--rmi=local", "--timeout=5")
        docker("image", "rm", "--force", stack.image)
    assert "" == stack.remains()


@pytest.fixture(scope="session")
def image(built: Stack) -> str:
    """The name of the image."""
    return built.image


@pytest.fixture(scope="session")
def fresh_stack(built: Stack) -> Stack:
    """The stack with a new server, gateway and Prometheus."""
    built.compose("up", "--detach", "--wait", "server", "web", "prometheus")
    return built


@pytest.fixture(scope="session")
def job(fresh_stack: Stack) -> Job:
    """The stack's client job after its end, scraped and evaluated by Prometheus."""
    fresh_stack.compose("up", "--detach", "client")
    container = fresh_stack.container("client")
    exit_code = int(docker("wait", container))
    ended = time.time()
    newest = 'timestamp(job:hashfinder_searches:rate5m{job="hashfinder"})'
    scraped = 'timestamp(up{job="hashfinder"})'

    def known() -> bool:
        # Rules use the scrape before their evaluation: after two more, they have used the last one.
        samples = [fresh_stack.query(query) for query in (newest, scraped)]
        return all(each and each[0].value > ended + 5 for each in samples)

    eventually(known, "Prometheus has scraped what the job did and evaluated its rules")
    return Job(exit_code, fresh_stack.logs("client"), time.time())


@pytest.fixture(scope="session")
def stack(fresh_stack: Stack, job: Job) -> Stack:
    """The stack after its client job. A test that disturbs it must wait until it is healthy."""
    assert 0 == job.exit_code, job.log
    return fresh_stack
