"""The pages that people open: an overview, a page for each task, and every sample to be heard and read."""
