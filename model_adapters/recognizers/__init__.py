"""Hosted speech recognisers that are asked over HTTP in protocols of their own, one module each."""
