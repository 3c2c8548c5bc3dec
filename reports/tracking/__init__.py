"""The figures of a run in the trackers of experiments that people keep, by these trackers' own clients."""
