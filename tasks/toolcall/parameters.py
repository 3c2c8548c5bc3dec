"""Asking a judge whether the parameters of a call make sense.

The authors' prompt could not be recovered. What it is for is known: to judge whether parameters are reasonable, not
whether they equal the reference, whose wording a right call need not share. The prompt is ours, for that purpose; it
lies in ``tasks/judge_prompts/toolcall.yaml``.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.types import ToolCall
from tasks.judging import load_judge_prompts
from tasks.toolcall.tools import Tool


def prompt_version() -> str:
    """Return what recipes call the prompt."""
    return load_judge_prompts("toolcall").version


def question(turns: Sequence[Mapping[str, Any]], tool: Tool, call: ToolCall) -> str:
    """Return what the judge is asked about a call.

    Args:
        turns: of the conversation up to the call, each with ``role`` and ``text``.
        tool: the function called.
        call: the call.
    """
    # The arguments are JSON, where "<" stands in strings only: escaped, it means the same and closes none of our tags.
    # Half a surrogate pair could not be sent.
    arguments = call.arguments.replace("<", "\\u003c").encode("utf-8", "replace").decode()
    fields = {
        "conversation": "\n".join(f"{turn['role']}: {turn['text']}" for turn in turns),
        "function": json.dumps(tool.schema["function"], ensure_ascii=False),
        "arguments": arguments,
    }
    return load_judge_prompts("toolcall").question("parameters", fields)
