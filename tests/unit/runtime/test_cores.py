"""How many cores a process may use, from cgroup trees of version 1 and 2."""

import os
from pathlib import Path

import pytest

from hashfinder.runtime.cores import usable_cores

MASK = 16


@pytest.fixture(autouse=True)
def _mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process run on 16 cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(MASK)), raising=False)


class Tree:
    """A cgroup tree in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        """Start with neither a tree nor a membership."""
        self.root = folder / "cgroup"
        self.own = folder / "self"

    def member(self, *lines: str) -> "Tree":
        """Put the process into groups, in the format of /proc/self/cgroup."""
        self.own.write_text("".join(f"{line}\n" for line in lines))
        return self

    def v2(self, group: str, cpu_max: str) -> "Tree":
        """Give a group of version 2 a limit."""
        folder = self.root / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cpu.max").write_text(f"{cpu_max}\n")
        return self

    def v1(self, group: str, quota: str, period: str = "100000") -> "Tree":
        """Give a group of version 1 a limit."""
        folder = self.root / "cpu" / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        (folder / "cpu.cfs_period_us").write_text(f"{period}\n")
        return self

    def cores(self) -> int:
        """Return the number of cores that the server uses."""
        return usable_cores(self.root, self.own)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return an empty tree of cgroups."""
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("cpu_max", "cores"),
    [
        ("200000 100000", 2),
        ("250000 100000", 3),  # the third worker is paced
        ("299999 100000", 3),
        ("150000 50000", 3),
        ("50000 100000", 1),  # never 0
        ("1000 100000", 1),
        ("max 100000", MASK),
        ("9900000 100000", MASK),
    ],
)
def test_quota_of_version_2(tree: Tree, cpu_max: str, cores: int) -> None:
    """Whole cores, at least one, at most those of the affinity mask."""
    assert cores == tree.member("0::/app").v2("app", cpu_max).cores()


@pytest.mark.parametrize(
    ("quota", "cores"), [("200000", 2), ("250000", 3), ("10000", 1), ("-1", MASK)]
)
@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_quota_of_version_1(tree: Tree, controllers: str, quota: str, cores: int) -> None:
    """-1 means no quota."""
    tree.member("9:memory:/other", f"4:{controllers}:/app", "1:name=systemd:/app")
    assert cores == tree.v1("app", quota).cores()


def test_smallest_quota_on_the_way_to_the_root_counts(tree: Tree) -> None:
    """A group may have a larger quota than its parent."""
    tree.member("0::/kubepods/pod/container")
    tree.v2("kubepods", "600000 100000").v2("kubepods/pod", "300000 100000")
    tree.v2("kubepods/pod/container", "800000 100000").v2("other", "100000 100000")
    assert 3 == tree.cores()


def test_smallest_quota_of_version_1_on_the_way_to_the_root_counts(tree: Tree) -> None:
    """As in version 2."""
    tree.member("4:cpu,cpuacct:/docker/0123")
    assert 5 == tree.v1("docker", "500000").v1("docker/0123", "-1").cores()


@pytest.mark.parametrize("path", ["/", "/docker/0123", "/../elsewhere"])
def test_own_group_seen_from_inside_a_container_is_the_root(tree: Tree, path: str) -> None:
    """Its path is the host's, or missing; its limits are at the root of the mounted tree."""
    assert 4 == tree.member(f"0::{path}").v2(".", "400000 100000").cores()
    assert 2 == tree.member(f"4:cpu:{path}").v1(".", "200000").cores()


def test_both_versions_at_once(tree: Tree) -> None:
    """A hybrid tree: the smaller quota counts."""
    tree.member("0::/app", "4:cpu:/app")
    assert 3 == tree.v2("app", "700000 100000").v1("app", "300000").cores()


def test_folders_above_the_tree_do_not_count(tree: Tree) -> None:
    """The walk ends at the root of the tree."""
    (tree.root.parent / "cpu.max").write_text("100000 100000\n")
    assert MASK == tree.member("0::/app").v2("app", "max 100000").cores()


def test_without_cgroups_the_mask_alone_counts(tree: Tree) -> None:
    """Neither tree nor membership, a tree without files, a group of other controllers."""
    assert MASK == tree.cores()
    tree.root.mkdir()
    assert MASK == tree.member("0::/app").cores()
    assert MASK == tree.member("9:memory:/app").v1("app", "100000").cores()


def test_without_a_mask_the_machine_counts(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some operating systems have no affinity, or do not report the number of cores."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert 6 == tree.cores()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert 1 == tree.cores()


def test_mask_below_the_quota_counts(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taskset and cpusets are respected."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {1, 3})
    assert 2 == tree.member("0::/app").v2("app", "800000 100000").cores()


@pytest.mark.parametrize(
    "cpu_max", ["", "200000", "200000 0", "200000 x", "x y", "-5 100000", "1 2 3", "\x00"]
)
def test_invalid_quota_is_ignored(tree: Tree, cpu_max: str) -> None:
    """The server starts with the cores of the mask."""
    assert MASK == tree.member("0::/app").v2("app", cpu_max).cores()


@pytest.mark.parametrize(
    ("quota", "period"), [("", ""), ("200000", ""), ("200000", "0"), ("x", "y")]
)
def test_invalid_quota_of_version_1_is_ignored(tree: Tree, quota: str, period: str) -> None:
    """As in version 2."""
    assert MASK == tree.member("4:cpu:/app").v1("app", quota, period).cores()


@pytest.mark.parametrize("line", ["", "garbage", "0:", "::", "a:b:c:d"])
def test_invalid_membership_is_ignored(tree: Tree, line: str) -> None:
    """Other lines are still read."""
    assert MASK == tree.member(line).cores()
    assert 2 == tree.member(line, "0::/app").v2("app", "200000 100000").cores()


def test_group_whose_name_is_not_utf8_is_read(tree: Tree) -> None:
    """A group's name is bytes, like every file name in Linux."""
    name = os.fsdecode(b"app-\xff")
    tree.own.write_bytes(b"0::/app-\xff\n")
    assert 2 == tree.v2(name, "200000 100000").cores()


def test_unreadable_affinity_means_all_cores(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system does not answer, the number of its cores counts."""

    def refuse(_pid: int) -> set[int]:
        raise PermissionError

    monkeypatch.setattr(os, "sched_getaffinity", refuse)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert 3 == tree.member("").cores()
