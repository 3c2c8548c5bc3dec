"""What Hydra would keep of a sweep, taken away again: it holds every setting as it was typed, keys among them."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig


class ForgetSettings(Callback):
    """Removes the file in which Hydra keeps the settings of a sweep; `config.yaml` of each run has them filtered."""

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        """Remove it as soon as there is a job."""
        if config.hydra.mode == RunMode.MULTIRUN:
            _forget(config)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Remove it where the jobs ran elsewhere."""
        _forget(config)


def _forget(config: DictConfig) -> None:
    (Path(str(config.hydra.sweep.dir)) / "multirun.yaml").unlink(missing_ok=True)
