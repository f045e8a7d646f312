"""The parts of these pages that come from the code: `make docs` runs cog, which calls this.

The table of settings comes from their definitions, and its column of what is allowed from the
errors that refuse a wrong value. The table of metrics comes from what a server exposes. A snippet
is the source of a function or class, so that a guide shows what the tests run.
"""

import inspect
import pkgutil
import re
import textwrap
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from deploy.certs import Authority
from docs.benchmark_page import figures, machine, plot
from docs.benchmark_tables import (
    budgets_table,
    connections_table,
    fastest,
    hops_table,
    promises,
    scale_table,
    security_table,
    stops_table,
    storm_table,
    vanity_table,
)
from docs.client_reference import client_reference, rules_reference
from docs.command_reference import command_reference
from docs.contract_reference import contract_reference
from docs.markdown_table import table
from docs.modules_picture import modules_picture
from hashfinder_process.settings import ProgramSettings, SettingsInvalidError
from tests.integration.gateway_process import run_gateway
from tests.integration.server_process import run_server

__all__ = [
    "budgets_table",
    "client_reference",
    "command_reference",
    "connections_table",
    "contract_reference",
    "fastest",
    "figures",
    "hops_table",
    "licences_table",
    "machine",
    "metrics_table",
    "modules_picture",
    "plot",
    "promises",
    "rules_reference",
    "scale_table",
    "security_table",
    "settings_table",
    "source",
    "stops_table",
    "storm_table",
    "vanity_table",
    "web_metrics_table",
]

ROOT = Path(__file__).parents[1]


def settings_table(program: str = "hashfinder") -> str:
    """Return a row for each setting of a program, in the order of their definition."""
    rows = []
    settings: type[ProgramSettings] = import_module(f"{program}.config").Settings
    for name, field in settings.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        default = "not set" if field.default in {None, ""} else f"`{field.default}`"
        variable = f"`{settings.model_config['env_prefix']}{name.upper()}`"
        allowed = "true or false" if field.annotation is bool else _allowed(settings, flag)
        rows.append((variable, f"`{flag}`", default, allowed, str(field.description)))
    return table(("variable", "flag", "default", "allowed", "meaning"), rows)


def metrics_table() -> str:
    """Return a row for each metric of ours that a server exposes; `process_*` is the library's."""
    with TemporaryDirectory() as folder:  # for the metrics that only a server with TLS has
        certificate, key = Authority().server().write(Path(folder), "server")
        tls = ("--tls-certificate", str(certificate), "--tls-key", str(key))
        with run_server(*tls) as server, urlopen(server.metrics_url, timeout=5) as response:  # noqa: S310  # our own server
            exposition = response.read().decode()
    return _metrics(exposition, lambda name: not name.startswith("process_"))


def web_metrics_table() -> str:
    """Return a row for each metric of its own that a gateway exposes, but those of its process."""
    with run_gateway("127.0.0.1:1") as gateway:
        _, exposition = gateway.request("GET", "/metrics")
    own, process = "hashfinder_web_", "hashfinder_web_process_"
    return _metrics(
        exposition.decode(), lambda name: name.startswith(own) and not name.startswith(process)
    )


def _metrics(exposition: str, is_shown: Callable[[str], bool]) -> str:
    rows = []
    for family in text_string_to_metric_families(exposition):
        if not is_shown(family.name):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in _labels(family)) or "none"
        rows.append((f"`{name}`", family.type, labels, family.documentation))
    return table(("metric", "type", "labels", "meaning"), rows)


def licences_table() -> str:
    """Return a row for each package that the server or a client runs with: its licence, its users.

    As the packages themselves say it, in the versions of the locks.
    """
    users: dict[str, list[str]] = {}
    for lock in sorted(ROOT.glob("requirements/*.txt")):
        if lock.stem not in {"cli", "server", "web"}:
            continue
        for name in re.findall(r"^([a-z0-9-]+)==", lock.read_text(encoding="utf-8"), re.MULTILINE):
            users.setdefault(name, []).append(lock.stem)
    rows = [
        (name, _licence(name), ", ".join(where))
        for name, where in sorted(users.items())
        if _is_installed(name)  # not those for other systems
    ]
    return table(("package", "licence", "used by"), rows)


def source(name: str) -> str:
    """Return the source of a function or class, `module:qualified.name`, with its decorators."""
    text = inspect.getsource(pkgutil.resolve_name(name))
    return f"```python\n{textwrap.dedent(text)}```\n"


def _licence(name: str) -> str:
    about = metadata(name)
    classifiers = about.get_all("Classifier") or []
    named = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License ::")]
    return str(about["License-Expression"] or about["License"] or " or ".join(named))


def _is_installed(name: str) -> bool:
    try:
        metadata(name)
    except PackageNotFoundError:
        return False
    return True


def _allowed(settings: type[ProgramSettings], flag: str) -> str:
    """Return what a setting may be, as the error that refuses a wrong value says it."""
    try:
        settings.load([flag, "?"])
    except SettingsInvalidError as error:
        if allowed := re.search(r"must be (.*), not '\?'", str(error)):
            return allowed[1]
    return "a text"  # refused, if at all, since it does not fit another setting


def _labels(family: Metric) -> list[str]:
    ours = {label for sample in family.samples for label in sample.labels}
    return sorted(ours - {"le"})
