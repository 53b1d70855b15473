"""Models of format version 1, which are read for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minnet.errors import ModelError
from minnet.training.settings import FEWEST_FOLDS, LARGEST_SIZE

if TYPE_CHECKING:
    from minnet.storage.checked_json import Document


def upgraded(document: Document) -> Document:
    """Turn a document of format version 1 into one of version 2.

    Raises
    ------
    ModelError
        If it is not made as that version says.
    """
    try:
        trained_on, encoder = dict(document["trained_on"]), dict(document["encoder"])
        settings, history = dict(document["settings"]), dict(document["history"])
        kinds = {"number": "numeric", "category": "categorical"}
        encoder["columns"] = [
            {**column, "kind": kinds.get(column.get("kind"))} for column in encoder["columns"]
        ]
        networks = min(settings["networks"], LARGEST_SIZE)
        folds = {
            "kind": "file",
            "sha256": trained_on.pop("sha256"),
            "seed": settings.pop("split_seed"),
            "count": max(1, min(max(networks, FEWEST_FOLDS), sum(trained_on["class_counts"]))),
        }
        history["best_epochs"] = [history.pop("best_epoch")] * networks
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ModelError("it is not made as format version 1 says") from None
    return document | {
        "trained_on": trained_on,
        "encoder": encoder | {"group": "", "drop_repeats": False},
        "folds": folds,
        "settings": settings | {"bins": 0},
        "history": history,
    }
