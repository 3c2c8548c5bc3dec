"""Names that commands share and that cost nothing to import."""

CONFIG_MODULE = "configs"
CONFIG_NAME = "run"
