"""A benchmark and models of one's own, outside evalkit."""
