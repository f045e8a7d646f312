"""One overlay applied over another, as `kubectl apply` merges them: no server that runs is lost."""

from copy import deepcopy
from itertools import permutations
from typing import Any

import pytest

from tests.k8s.manifests import SERVERS, Object, one_of

pytestmark = pytest.mark.k8s

OVERLAYS = [name for name in SERVERS if name.startswith("overlays/")]


def applied(live: Any, before: Any, wanted: Any) -> Any:  # noqa: ANN401  # a part of an object
    """Return what is there after an apply: a field that was applied before, and is not now, goes.

    That is kubectl's three-way merge, but for lists, which are replaced.
    """
    if not all(isinstance(each, dict) for each in (live, before, wanted)):
        return deepcopy(wanted)
    merged = {key: value for key, value in live.items() if key in wanted or key not in before}
    for key, value in wanted.items():
        merged[key] = applied(merged.get(key), before.get(key), value)
    return merged


def with_defaults(deployment: Object) -> Object:
    """Return a Deployment as the API server stores it: without replicas it has one."""
    deployment["spec"].setdefault("replicas", 1)
    return deployment


def test_field_that_is_no_longer_applied_is_reset() -> None:
    """What the merge of this file is about: the replicas of a manifest that names them no more."""
    assert {"a": 2, "b": 3} == applied({"a": 1, "b": 3, "c": 4}, {"c": 4}, {"a": 2})
    named = {"spec": {"replicas": 2}}
    assert 1 == with_defaults(applied(named, named, {"spec": {}}))["spec"]["replicas"]


@pytest.mark.parametrize("overlays", list(permutations(OVERLAYS, 2)), ids=" over ".join)
def test_overlay_over_another_never_leaves_fewer_than_two(overlays: tuple[str, str]) -> None:
    """Not even until the autoscaler looks again, which may take half a minute."""
    second, first = overlays
    before, after = (one_of(name, "Deployment", "hashfinder") for name in (first, second))
    live = with_defaults(deepcopy(before))
    least = one_of(first, "HorizontalPodAutoscaler")["spec"]["minReplicas"]
    live["spec"]["replicas"] = max(least, live["spec"]["replicas"])

    again = with_defaults(applied(live, before, after))

    assert again["spec"]["replicas"] >= 2
