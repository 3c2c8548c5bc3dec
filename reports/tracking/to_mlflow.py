"""A run in MLflow, by its own client; ``uri`` may name a folder of this machine."""

import re

from evalkit.errors import ConfigurationError
from evalkit.hints import install_command
from reports.tracking.values import Tracked

_LONGEST = 5_000


def log_to_mlflow(run: Tracked, project: str, uri: str | None = None) -> str:
    """Log a run as one of MLflow, with its figures as metrics, what they depend on as tags, and its files.

    Args:
        run: what it is told.
        project: name of the experiment; made if it is not there.
        uri: of the tracking server or store; None for the client's own setting (``MLFLOW_TRACKING_URI``).

    Returns:
        Where it lies.

    Raises:
        ConfigurationError: the client is not installed, or could not do it.
    """
    try:
        import mlflow
    except ImportError as error:
        raise ConfigurationError(f"the client of MLflow is not here; {install_command('mlflow')}") from error
    try:
        if uri is not None:
            mlflow.set_tracking_uri(uri)
        mlflow.set_experiment(project)
        with mlflow.start_run(run_name=run.name) as session:
            mlflow.set_tags({_name(name): value[:_LONGEST] for name, value in run.settings.items()})
            mlflow.log_metrics({_name(name): value for name, value in run.numbers.items()})
            mlflow.log_dict({"columns": list(run.columns), "data": [list(row) for row in run.rows]}, "figures.json")
            for path in run.files:
                if path.is_dir():
                    mlflow.log_artifacts(str(path), path.name)
                else:
                    mlflow.log_artifact(str(path))
            return f"{mlflow.get_tracking_uri()}, run {session.info.run_id}"
    except (mlflow.exceptions.MlflowException, ImportError, OSError) as error:
        # Whole, though long: its end says what to do.
        raise ConfigurationError(f"MLflow did not take the run ({' '.join(str(error).split())})") from error


def _name(name: str) -> str:
    """Return a name of what MLflow takes: letters of ASCII, digits, and a few signs."""
    return re.sub(r"[^A-Za-z0-9_. /-]+", "_", name)
