"""The radar chart: its axes, and how they are drawn."""
