"""How a model was chosen from several, and how far that flatters its scores."""

from __future__ import annotations

from dataclasses import dataclass

from minnet.errors import plural


@dataclass(frozen=True)
class Selection:
    """What choosing from several configurations by their scores on the same rows does to these.

    Attributes
    ----------
    configurations
        How many there were to choose from.
    log_loss_optimism
        About how much too small the log loss on these rows is, nats per row.
    accuracy_optimism
        About how much too large the accuracy on these rows is, in -1..1: the log loss decided.
    """

    configurations: int
    log_loss_optimism: float
    accuracy_optimism: float

    def __str__(self) -> str:
        """Make a line for reports of scores on these rows."""
        points = max(0.0, 100 * self.accuracy_optimism)
        return (
            f"chosen from {plural(self.configurations, 'configuration')} on these rows, which "
            f"flatters: log loss by about {self.log_loss_optimism:.3f}, accuracy by about "
            f"{points:.1f} points"
        )
