"""Models behind evalkit's one adapter interface, one module per family; their libraries are imported when used."""
