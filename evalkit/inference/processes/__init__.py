"""Processes that a run starts: servers, and models in another Python. None outlives the run, however that ends."""
