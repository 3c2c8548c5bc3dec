"""Metrics: sufficient statistics, error rates, and the resampling that makes intervals and tests of them."""
