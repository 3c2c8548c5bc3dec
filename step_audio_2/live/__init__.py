"""A conversation with Step-Audio 2 that goes on: turns, tools it calls between them, and the voice it speaks in.

``step_audio_2.live.loop`` has the rules of a conversation with any model, ``conversation`` the model of this process;
the tools are modules of their own. Nothing here needs more than the model does, but for an index of texts (bm25s) and
tools of an MCP server (mcp).
"""
