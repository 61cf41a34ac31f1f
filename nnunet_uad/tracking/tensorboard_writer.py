"""TensorBoard's event files, in the folder of the fold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_uad.tracking.run import TrackedRun, versions

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorboardWriter:
    """Writes scalars, hyper-parameters and pictures; a training that goes on hides what it trains again."""

    _writer: SummaryWriter

    def check(self) -> None:
        """Nothing: the folder of the fold is checked by the training itself."""

    def begin(self, run: TrackedRun) -> None:
        """Open a file of events that takes the place of earlier ones from this epoch on.

        Args:
            run: Training that begins or goes on.
        """
        # Here: the trainers must not load TensorBoard where nobody wants it.
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from torch.utils.tensorboard import SummaryWriter

        # TensorBoard leaves out older events from this step on: those of a training that was begun anew in the same
        # folder, and of epochs behind the checkpoint from which one goes on.
        self._writer = SummaryWriter(str(run.folder), purge_step=run.epoch)
        parameters = {**run.parameters, **versions()}
        self._writer.file_writer.add_summary(hparams_pb({k: _plain(v) for k, v in parameters.items()}), run.epoch)
        self._writer.flush()

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Write the values of an epoch, down to the file.

        Args:
            values: Values by name.
            step: Number of the epoch.
        """
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def summarise(self, values: Mapping[str, float], step: int) -> None:
        """Write what a validation found.

        Args:
            values: Values by name.
            step: Number of epochs that were trained.
        """
        self.write(values, step)

    def picture(self, name: str, path: Path, step: int) -> None:
        """Show a picture.

        Args:
            name: Name, of two parts with a slash between.
            path: PNG file.
            step: Number of epochs that were trained.
        """
        from matplotlib.image import imread

        # Without the transparency, which TensorBoard would show as black.
        self._writer.add_image(name, imread(path)[..., :3], step, dataformats="HWC")

    def end(self, status: str) -> None:
        """Flush; the validation may follow.

        Args:
            status: Way in which the training ended, which TensorBoard does not ask for.
        """
        self._writer.flush()


def _plain(value: Any) -> float | bool | str:
    return value if isinstance(value, (bool, int, float, str)) else str(value)
