"""Gemini through its own protocol, ``generateContent``."""
