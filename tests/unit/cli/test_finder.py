"""The library's former module."""

import importlib
import sys

import pytest

import hashfinder_client


def test_former_module_works_with_a_deprecation_warning() -> None:
    """`from hashfinder_cli.finder import Finder` gives the same class, with a warning."""
    sys.modules.pop("hashfinder_cli.finder", None)

    with pytest.warns(DeprecationWarning, match="hashfinder_client"):
        former = importlib.import_module("hashfinder_cli.finder")

    assert hashfinder_client.Finder is former.Finder
    assert hashfinder_client.Match is former.Result
