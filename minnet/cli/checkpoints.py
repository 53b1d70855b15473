"""The checkpoint of a command that trains: whose it is, and how to go on from it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import minnet
from minnet.cli import options
from minnet.training.checkpoint import Checkpointer

if TYPE_CHECKING:
    from minnet.cli.progress import TrainingProgress
    from minnet.data.encoding import Encoder
    from minnet.training.settings import TrainingSettings


class CommandCheckpointer(Checkpointer):
    """Saves the state of the training of a command beside the model's path.

    Parameters
    ----------
    content
        Tells the rows of the training table from all others.
    rows
        How many are learned from.

    Attributes
    ----------
    resume_hint
        How to resume from the checkpoint, to end a message with; empty if there is none.
    """

    def __init__(
        self,
        path: str,
        content: str,
        encoder: Encoder,
        settings: TrainingSettings,
        rows: int,
        progress: TrainingProgress,
        *,
        resuming: bool,
        quiet: bool,
    ) -> None:
        key = repr((minnet.__version__, content, vars(encoder), settings, rows))
        self.resume_hint = ""
        super().__init__(
            path,
            hashlib.sha256(key.encode()).hexdigest(),
            resuming=resuming,
            on_resume=progress.on_resume,
            on_save=self._tell,
            warn=lambda message: options.print_message(f"warning: {message}", quiet=quiet),
        )
        if self.others:
            others = ", ".join(self.others)
            options.print_message(
                f"note: checkpoints of other data or settings are kept: {others}", quiet=quiet
            )

    def _tell(self, epoch: int) -> None:
        self.resume_hint = (
            f"; the same command with --resume resumes after epoch {epoch}, from {self.path}"
        )
        options.if_interrupted(f"no model was written{self.resume_hint}")
