"""Why the figures of two runs differ: what was set, asked, answered and scored otherwise, and what each explains."""
