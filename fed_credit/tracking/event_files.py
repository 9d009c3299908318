"""TensorBoard: event files in a run's own folder."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fed_credit.tracking.protocol import RunAbout, RunStatus
from fed_credit.training.state import RoundMetrics

FOLDER = "tensorboard"
_SESSION_START, _END = "_hparams_/session_start_info", ".end"


class TensorBoardTracker:
    """Writes event files; see :class:`fed_credit.tracking.protocol.Tracker`.

    Tags and files lie beside them in the run folder and are not written again.

    Parameters
    ----------
    about : RunAbout
        The run.

    Raises
    ------
    ImportError
        If TensorBoard is not installed.
    """

    def __init__(self, about: RunAbout) -> None:
        import tensorboard  # noqa: F401 - missing packages show before any work is done

        self._about = about
        self._folder = about.folder / FOLDER
        self._writer: Any = None
        self._written: set[tuple[str, int]] = set()

    def start(self) -> None:
        """Open an event file and write the parameters, unless an earlier process did."""
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        for path in self._folder.glob(f"*{_END}"):
            path.unlink()
        self._written, begun = _written(self._folder)
        if self._writer is None:
            self._writer = SummaryWriter(str(self._folder))
        if begun:
            return
        values = {key: _typed(text) for key, text in self._about.parameters.items()}
        names = [f"test/{name}/auc" for name in self._about.contenders]
        experiment, session, _ = hparams(values, dict.fromkeys(names, 0.0))
        self._writer.file_writer.add_summary(experiment)
        self._writer.file_writer.add_summary(session)
        self._writer.flush()

    def tag(self, tags: Mapping[str, str]) -> None:
        """Pass over: ``results.json`` has them."""

    def measure(self, repeat: int, rounds: Sequence[RoundMetrics]) -> None:
        """Write validation loss and AUC of rounds as scalars with the round as step."""
        for m in rounds:
            self._write(f"repeat_{repeat:03d}/validation_loss", m.loss, m.number)
            self._write(f"repeat_{repeat:03d}/validation_auc", m.auc, m.number)
        self._writer.flush()

    def finish(self, metrics: Mapping[str, float], files: Sequence[Path]) -> None:
        """Write the final metrics as scalars; files are where they are."""
        for name, value in metrics.items():
            self._write(name, value, 0)
        self._writer.flush()

    def end(self, status: RunStatus) -> None:
        """Write how the run ended, and close the files."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer.close()
        # Of several ends TensorBoard takes the first, so each has a file that can be removed.
        with SummaryWriter(str(self._folder), filename_suffix=_END) as last:
            last.file_writer.add_summary(_session_end(status))

    def _write(self, name: str, value: float, step: int) -> None:
        if (name, step) not in self._written and math.isfinite(value):
            self._writer.add_scalar(name, value, step)
            self._written.add((name, step))


def _written(folder: Path) -> tuple[set[tuple[str, int]], bool]:
    """Return the scalars and steps that earlier processes wrote, and whether parameters."""
    if not folder.is_dir():
        return set(), False
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    found = {
        (name, int(event.step))
        for name in events.Tags()["scalars"]
        for event in events.Scalars(name)
    }
    try:
        begun = _SESSION_START in events.PluginTagToContent("hparams")
    except KeyError:
        begun = False
    return found, begun


def _session_end(status: RunStatus) -> Any:
    """Return the summary that tells TensorBoard's table of parameters how a run ended."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams.api_pb2 import Status
    from tensorboard.plugins.hparams.metadata import (
        PLUGIN_DATA_VERSION,
        PLUGIN_NAME,
        SESSION_END_INFO_TAG,
    )
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    name = "STATUS_SUCCESS" if status is RunStatus.FINISHED else "STATUS_FAILURE"
    end = SessionEndInfo(status=Status.Value(name), end_time_secs=time.time())
    content = HParamsPluginData(session_end_info=end, version=PLUGIN_DATA_VERSION)
    plugin = SummaryMetadata.PluginData(
        plugin_name=PLUGIN_NAME, content=content.SerializeToString()
    )
    metadata = SummaryMetadata(plugin_data=plugin)
    return Summary(value=[Summary.Value(tag=SESSION_END_INFO_TAG, metadata=metadata)])


def _typed(text: str) -> float | str:
    """Return a number as one, so that TensorBoard can put it on an axis."""
    try:
        return float(text)
    except ValueError:
        return text
