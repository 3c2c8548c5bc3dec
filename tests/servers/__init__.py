"""Servers on 127.0.0.1 for tests and measurements: they stand in for what evalkit talks to over HTTP."""
