"""Calling models behind HTTP servers: concurrency, retries, rate limits, budgets and a cache, written once for all."""
