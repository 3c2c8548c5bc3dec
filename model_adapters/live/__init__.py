"""Conversations with the models of evalkit's configurations: behind a server, in a row, or in this process.

The rules are those of ``step_audio_2.live``; retries, pace, deadlines and the budget are those of the engine.
"""
