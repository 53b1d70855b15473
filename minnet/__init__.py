"""minnet: small neural networks by hand in NumPy, from a CSV to a classifier you can trust.

>>> import minnet
>>> model = minnet.train("data/iris.csv", target="species")
>>> minnet.predict(model, "data/iris.csv").predicted[0]
'setosa'

The names below are imported when they are first used, so that `import minnet` stays fast.
"""

from __future__ import annotations

import re
from typing import Any

__version__ = "0.1.0"

_STUB: str = __spec__.loader.get_data(f"{__file__}i").decode()
_HOME: dict[str, str] = {name: home for home, name in re.findall(r"from (\S+) import (\w+)", _STUB)}

__all__ = [name for name in _HOME if name != "export"]  # which cannot be had without its package


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'minnet' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*_HOME, "__version__"]
