"""Which variant of the kernel in C a CPU gets, tested by masking CPU features."""

import pytest

from hashfinder.kernel import Kernel, available_backends, load_kernel
from hashfinder_rules.query import Query

native = pytest.importorskip("hashfinder.kernel.native", reason="built without the C kernel")

VARIANTS: tuple[tuple[str, tuple[str, ...]], ...] = native._native.VARIANTS  # noqa: SLF001
FEATURES = sorted({feature for _, needed in VARIANTS for feature in needed})


def test_native_is_the_fastest_that_the_cpu_can_run() -> None:
    """`native` and `auto` choose the first of the variants."""
    fastest = f"native-{native.supported_variants()[0]}"

    assert fastest == load_kernel("native").backend == load_kernel("auto").backend


def test_each_backend_is_a_variant_that_the_cpu_can_run() -> None:
    """All of them can be chosen by name; the fastest comes first."""
    backends = [f"native-{variant}" for variant in native.supported_variants()]

    assert [*backends, "python"] == list(available_backends())


@pytest.mark.parametrize(("variant", "needed"), VARIANTS, ids=[name for name, _ in VARIANTS])
def test_a_variant_needs_all_of_its_features(variant: str, needed: tuple[str, ...]) -> None:
    """A CPU with exactly these features gets the variant; without any one of them it does not."""
    assert variant in native.supported_variants(set(needed))
    for missing in needed:
        assert variant not in native.supported_variants(set(needed) - {missing})


def test_a_bare_cpu_gets_the_baseline() -> None:
    """The last variant runs on every CPU of the architecture."""
    assert ["baseline"] == native.supported_variants(set())
    assert ("baseline", ()) == VARIANTS[-1]


@pytest.mark.parametrize("masked", FEATURES)
def test_auto_avoids_what_the_cpu_lacks(monkeypatch: pytest.MonkeyPatch, masked: str) -> None:
    """If a feature is masked, the chosen kernel does not need it, and works."""
    present = native._native.cpu_features() - {masked}  # noqa: SLF001
    monkeypatch.setattr(native._native, "cpu_features", lambda: present)  # noqa: SLF001

    kernel: Kernel = load_kernel("auto")

    assert masked not in dict(VARIANTS)[kernel.backend.removeprefix("native-")]
    query = Query("a-", 0, 2)
    assert load_kernel("python").prepare(query).scan(0, 99, 0, 99) == kernel.prepare(query).scan(
        0, 99, 0, 99
    )
