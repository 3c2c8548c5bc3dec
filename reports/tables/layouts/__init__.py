"""The tables of Step-Audio 2's README, one short layout each."""
