"""A run in Weights & Biases, by its own client; ``WANDB_MODE=offline`` keeps everything on this machine."""

from typing import Any

from evalkit.errors import ConfigurationError, one_line
from evalkit.hints import install_command
from reports.tracking.values import Tracked


def log_to_wandb(run: Tracked, project: str) -> str:
    """Log a run as one of Weights & Biases, with its figures, a table of them and its files.

    The client's own settings say who is told, and whether anybody is: ``WANDB_MODE``, ``WANDB_DIR`` and so on.

    Args:
        run: what it is told.
        project: of Weights & Biases.

    Returns:
        Where it lies.

    Raises:
        ConfigurationError: the client is not installed, or could not do it.
    """
    try:
        import wandb
    except ImportError as error:
        raise ConfigurationError(f"the client of Weights & Biases is not here; {install_command('wandb')}") from error
    try:
        # Its copy of what is printed, of the command and of the code would say more of this machine than was asked for.
        settings = wandb.Settings(console="off", save_code=False, disable_git=True, silent=True)
        session = wandb.init(
            project=project, name=run.name, job_type="evaluation", config=dict(run.settings), settings=settings
        )
        session.log({**run.numbers, "figures": wandb.Table(columns=list(run.columns), data=list(map(list, run.rows)))})
        session.log_artifact(_artifact(wandb, run))
        place = str(session.dir if session.offline else session.url)
        session.finish()
    except (wandb.Error, OSError) as error:
        raise ConfigurationError(f"Weights & Biases did not take the run ({one_line(error)})") from error
    return place


def _artifact(wandb: Any, run: Tracked) -> Any:
    artifact = wandb.Artifact("evaluation", type="evaluation")
    for path in run.files:
        if path.is_dir():
            artifact.add_dir(str(path), name=path.name)
        else:
            artifact.add_file(str(path))
    return artifact
