"""Mutation testing of code whose mistakes would be hard to see: `make mutants`.

mutmut changes one line at a time and runs the unit tests that reach it. A change that no test
notices survives. There are thousands of them, so a run takes a random sample and prints its seed.
It works on a copy in `.cache/mutants` with all packages in one `src`, as mutmut requires.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".cache/mutants"
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
PACKAGES = (
    *("services/hashfinder/src/hashfinder", "clients/python/src/hashfinder_client"),
    *("proto/src/hashfinder_rules", "proto/src/hashfinder_proto"),
)
TESTS = (
    *("tests/unit/search", "tests/unit/scheduling", "tests/unit/rules"),
    *("tests/unit/client/test_resumable_search.py", "tests/unit/client/test_sharded_search.py"),
    *("tests/unit/client/test_division.py", "tests/unit/client/test_retry.py"),
)
SETTINGS = f"""\
[tool.pytest.ini_options]
pythonpath = ["."]
addopts = ["--import-mode=importlib", "--hypothesis-profile=ci"]
asyncio_mode = "auto"
markers = ["alone"]
[tool.mutmut]
source_paths = ["src"]
only_mutate = [
  "src/hashfinder/search/*", "src/hashfinder/scheduling/*", "src/hashfinder_rules/*",
  "src/hashfinder_client/resumable_search.py", "src/hashfinder_client/sharded_search.py",
  "src/hashfinder_client/division.py", "src/hashfinder_client/retry.py",
]
do_not_mutate = ["src/hashfinder_rules/scheme.py"] # mutmut breaks enumerations with a constructor
pytest_add_cli_args_test_selection = {[test for test in TESTS if (ROOT / test).exists()]}
use_git_change_detection = false
track_dependencies = false
"""
ALIVE = {0, 33}
"""mutmut's exit codes for mutants whose tests pass, and for those that no test reaches."""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--count", type=int, default=200, help="how many mutants to try")
    parser.add_argument("--minutes", type=float, default=5, help="stop after so long")
    asked = parser.parse_args()
    _copy()
    _mutmut("run", "none*", seconds=300)  # makes the mutants, and notes which test reaches which
    names = sorted(_results())
    if not names:
        sys.exit("mutmut has made no mutants: see what it says above")
    chosen = random.Random(asked.seed).sample(names, min(asked.count, len(names)))  # noqa: S311 - a sample
    print(f"{len(chosen)} of {len(names)} mutants, --seed {asked.seed}", flush=True)  # noqa: T201 - its output
    _mutmut("run", *chosen, seconds=60 * asked.minutes)
    _report({name: code for name, code in _results().items() if name in chosen})


def _copy() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, FOLDER / "src" / Path(package).name, ignore=ignored)
    for folder in ("tests/unit", "tests/integration"):
        shutil.copytree(ROOT / folder, FOLDER / folder, ignore=ignored)
    for file in ROOT.glob("tests/*.py"):
        if file.name != "conftest.py":  # which makes tests wait for each other
            shutil.copy(file, FOLDER / "tests")
    # mutmut is imported by every module that it changes.
    (FOLDER / "tests/unit/rules/test_package.py").unlink()
    (FOLDER / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")


def _mutmut(*words: str, seconds: float) -> None:
    """Run mutmut, which keeps its results when it is interrupted."""
    with subprocess.Popen(
        [MUTMUT, *words], cwd=FOLDER, stdout=subprocess.PIPE, text=True
    ) as process:
        with suppress(subprocess.TimeoutExpired):
            output, _ = process.communicate(timeout=seconds)
            if process.returncode:
                print(*output.replace("\r", "\n").splitlines()[-30:], sep="\n")  # noqa: T201 - see above
            return
        process.send_signal(signal.SIGINT)


def _results() -> dict[str, Any]:
    """Return the result of each mutant by name; None for those not tried."""
    files = FOLDER.glob("mutants/**/*.meta")
    return {
        name: code
        for file in files
        for name, code in json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"].items()
    }


def _report(results: dict[str, Any]) -> None:
    tried = {name: code for name, code in results.items() if code is not None}
    alive = [name for name, code in sorted(tried.items()) if code in ALIVE]
    if not tried:
        sys.exit("no mutant was tried: the unit tests fail in the copy, see above")
    for name in alive:
        print(_difference(name))  # noqa: T201 - its output
    for package, own in _by_package(tried):
        lost = sum(1 for name in own if name in alive)
        print(f"{package:40} {len(own) - lost} of {len(own)} killed")  # noqa: T201 - likewise


def _difference(name: str) -> str:
    """Return a mutant as a diff."""
    command = [MUTMUT, "show", name]
    return subprocess.run(command, cwd=FOLDER, check=True, capture_output=True, text=True).stdout


def _by_package(tried: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    packages = sorted({_package(name) for name in tried})
    for package in packages:
        yield package, [name for name in tried if _package(name) == package]


def _package(name: str) -> str:
    return ".".join(part for part in name.split(".") if "ǁ" not in part and "__mutmut" not in part)


if __name__ == "__main__":
    main()
