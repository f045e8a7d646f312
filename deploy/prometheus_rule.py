"""Print the rules of `deploy/prometheus` as the operator's object for the production overlay.

Kustomize takes no file from outside an overlay, and Prometheus takes no object of Kubernetes. So
the object is made of the files, comments and all, by `make rules`.
"""

import sys
from pathlib import Path
from textwrap import indent

RULES = Path(__file__).resolve().parent / "prometheus"
FILES = ("recording.yml", "alerts.yml")
HEAD = """\
# Made of deploy/prometheus/*.yml by `make rules`: change those.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: hashfinder
  labels:
    app.kubernetes.io/component: server
spec:
  groups:
"""


def prometheus_rule() -> str:
    """Return the object.

    Raises:
        ValueError: a file has not the one line ``groups:``.
    """
    parts = [HEAD]
    for name in FILES:
        comment, groups = (RULES / name).read_text(encoding="utf-8").split("groups:\n")
        parts += [indent(comment, "    "), indent(groups, "  ")]
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(prometheus_rule())
