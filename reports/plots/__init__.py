"""Plots of what runs measured, in one style: what each shows is worked out first, and drawn last."""
