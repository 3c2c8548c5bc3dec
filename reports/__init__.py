"""Published results, tables, radar chart and utterance listings, made from what runs have stored."""
