"""Run benchmarks by name, or all but the longest; print Markdown and JSON.

With `--smoke` all run on next to nothing, to show that they run.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

NAMES = (
    "startup",
    "quality",
    "estimators",
    "process",
    "step",
    "digits",
    "large_table",
    "cores",
)
LONGEST = ("batch_size", "bins", "dask", "honesty", "optimism", "tuning")


def main(arguments: list[str]) -> None:
    """Measure and print."""
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[variable] = "1"
    # An installed minnet has its byte code beside it, as its peers have: so must this one.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = os.path.join(tempfile.gettempdir(), "minnet-benchmarks")
    # This loads numpy, which reads how many threads to use.
    from tests.benchmarks.measure import markdown, rows_of

    smoke = "--smoke" in arguments
    names = [argument for argument in arguments if argument != "--smoke"]
    rows = []
    for name in names or (NAMES + LONGEST if smoke else NAMES):
        for row in rows_of(name, smoke=smoke):
            rows.append(row)
            print(f"{row.benchmark} against {row.against}: {row.ratio:.3g}", file=sys.stderr)
    print(markdown(rows))
    print(json.dumps([row._asdict() for row in rows]))


if __name__ == "__main__":
    main(sys.argv[1:])
