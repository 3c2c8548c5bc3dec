"""Getting data sets: fetching, unpacking, verifying."""
