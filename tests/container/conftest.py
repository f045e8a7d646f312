"""The image, built once, and the stack on it, brought up once."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.container.stack import Stack, docker, eventually, private_copy


class Job(NamedTuple):
    """What the client job of the stack did."""

    exit_code: int
    log: str
    ended: float
    """When Prometheus knew all of it, in Unix seconds."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack with its images built and nothing running; nothing of it is left afterwards.

    It is built from a tree that only its owner can read, as a umask of 077 leaves it.
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
    """The stack with a server, a gateway and Prometheus that nobody has used yet."""
    built.compose("up", "--detach", "--wait", "server", "web", "prometheus")
    return built


@pytest.fixture(scope="session")
def job(fresh_stack: Stack) -> Job:
    """The client job of the stack, run to its end, and scraped and evaluated by Prometheus."""
    fresh_stack.compose("up", "--detach", "client")
    container = fresh_stack.container("client")
    exit_code = int(docker("wait", container))
    ended = time.time()
    newest = 'timestamp(job:hashfinder_searches:rate5m{job="hashfinder"})'
    scraped = 'timestamp(up{job="hashfinder"})'

    def known() -> bool:
        # Rules see the scrape before them: two evaluations later they have seen the last one.
        samples = [fresh_stack.query(query) for query in (newest, scraped)]
        return all(each and each[0].value > ended + 5 for each in samples)

    eventually(known, "Prometheus has scraped what the job did and evaluated its rules")
    return Job(exit_code, fresh_stack.logs("client"), time.time())


@pytest.fixture(scope="session")
def stack(fresh_stack: Stack, job: Job) -> Stack:
    """The stack after its client job. Whoever disturbs it waits until it is healthy again."""
    assert 0 == job.exit_code, job.log
    return fresh_stack
