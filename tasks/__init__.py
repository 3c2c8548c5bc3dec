"""One module per benchmark family: rows to samples to calls, responses to statistics."""
