"""Run benchmarks by name, or all but the longest; print Markdown and JSON."""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile

NAMES = (
    "quality",
    "estimators",
    "process",
    "step",
    "digits",
    "large_table",
    "cores",
)

for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"
# An installed minnet has its byte code beside it, as its peers have: so must this one.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["PYTHONPYCACHEPREFIX"] = os.path.join(tempfile.gettempdir(), "minnet-benchmarks")


def main(names: list[str]) -> None:
    """Measure and print."""
    from tests.benchmarks.measure import markdown

    rows = []
    for name in names or NAMES:
        for row in importlib.import_module(f"tests.benchmarks.{name}").rows():
            rows.append(row)
            print(f"{row.benchmark} against {row.against}: {row.ratio:.3g}", file=sys.stderr)
    print(markdown(rows))
    print(json.dumps([row._asdict() for row in rows]))


if __name__ == "__main__":
    main(sys.argv[1:])
