"""Is the new run better, worse, or is there no evidence? Paired tests between runs, figure by figure.

Only what both runs answered is compared, sample by sample, so that a hard or an easy data set counts for neither. Where
the two were scored differently, or asked about different references, nothing is compared and the reason is given.
Nothing but the stored results is read: no task is loaded.
"""

from evalkit.results.comparison.runs import compare_runs

__all__ = ["compare_runs"]
