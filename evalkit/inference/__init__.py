"""How calls are answered: by models in this process, or by servers."""
