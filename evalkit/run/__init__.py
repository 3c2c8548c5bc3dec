"""Running an evaluation: asking (``inference``), keeping (``store``), scoring, and the run folder around them."""
