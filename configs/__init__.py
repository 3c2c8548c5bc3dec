"""The Hydra configuration tree; a package so that an installed evalkit finds it from any folder."""
