"""Calling served models: at their pace, with patience, within a budget."""
