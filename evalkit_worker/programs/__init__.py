"""Programs that are run by their file, in a folder whose names stand in no other module's way."""
