"""A benchmark of our own for the loop of a voice assistant: calls, their results, and what is said from them."""

from tasks.tool_loop.grounded import GroundedAnswers
from tasks.tool_loop.questions import Questions
from tasks.tool_loop.recorded import RecordedConversations
from tasks.tool_loop.saved import SavedConversations
from tasks.tool_loop.voice import VoiceChange

__all__ = ["GroundedAnswers", "Questions", "RecordedConversations", "SavedConversations", "VoiceChange"]
