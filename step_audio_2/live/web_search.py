"""Web search: one tool, and who searches behind it: SearXNG, Brave, or a folder of documents without any network.

SearXNG's API is described on docs.searxng.org/dev/search_api.html (its operator has to allow the format json), Brave's
on api-dashboard.search.brave.com. Bing's ended in August 2025. What the published assistant's own search gives back is
shown by one example, a paragraph of prose that names its source and its date; so it is done here.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from step_audio_2.chat import SUMMARY_REQUEST
from step_audio_2.live.http import get_json, is_http, without_markup
from step_audio_2.live.text_index import TextIndex
from step_audio_2.live.tools import Document, Tool, ToolError, ToolResult

Search = Callable[[str], Sequence[Document]]
"""Finds what fits a question, the best first; raises ``ToolError`` if it cannot search."""

_BRAVE = "https://api.search.brave.com/res/v1/web/search"
_DOCUMENTS = ("*.txt", "*.md")
_LONGEST_PASSAGE = 600


class SearXNG:
    """Asks an instance of SearXNG.

    Args:
        base_url: of the instance.
        language: of the results, a code such as ``zh-CN``, or ``all``.

    Raises:
        ValueError: it has no such address.
    """

    def __init__(self, base_url: str, language: str = "all") -> None:
        if not is_http(base_url):  # which may hold a password, and is not repeated
            raise ValueError("SearXNG's address must begin with http:// or https://, as http://127.0.0.1:8888")
        self._address = f"{base_url.rstrip('/')}/search"
        self._language = language

    def __call__(self, query: str) -> list[Document]:
        """Search.

        Raises:
            ToolError: the instance does not answer as documented.
        """
        answer = get_json(self._address, {"q": query, "format": "json", "language": self._language})
        return _documents(answer, ("results",), text="content", date="publishedDate")


class Brave:
    """Asks Brave's search engine.

    Args:
        key: of the account.
        address: of the service.
    """

    def __init__(self, key: str, address: str = _BRAVE) -> None:
        self._key, self._address = key, address

    def __call__(self, query: str) -> list[Document]:
        """Search.

        Raises:
            ToolError: the service does not answer as documented.
        """
        answer = get_json(self._address, {"q": query}, headers={"X-Subscription-Token": self._key})
        return _documents(answer, ("web", "results"), text="description", date="page_age")


class DocumentFolder:
    """Searches the passages of a folder's text and Markdown files.

    Args:
        folder: with the files, in folders of its own if need be.

    Raises:
        ValueError: a file cannot be read as text in UTF-8, or there is none.
        ImportError: bm25s is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._passages = [
            passage
            for path in sorted(path for pattern in _DOCUMENTS for path in folder.rglob(pattern))
            for passage in _passages(path, str(path.relative_to(folder)))
        ]
        if not self._passages:
            raise ValueError(f"{folder}: holds no text in files {' or '.join(_DOCUMENTS)}")
        self._index = TextIndex([f"{passage.title}\n{passage.text}" for passage in self._passages])

    def __call__(self, query: str) -> list[Document]:
        """Search."""
        return [self._passages[place] for place in self._index.search(query, 10)]


def web_search(search: Search, *, name: str = "search", count: int = 3) -> Tool:
    """Make the tool that searches, by the schema of the published example.

    Args:
        search: who searches.
        name: ``search`` as in the example, or ``web_search`` as in StepEval-Audio-Toolcall.
        count: how many results the model reads.
    """

    def run(query: str) -> ToolResult:
        documents = tuple(search(query)[:count])
        if not documents:
            raise ToolError(f"没有找到关于{query}的结果")
        return ToolResult("\n".join(map(_prose, documents)), documents)

    parameters = {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "搜索关键词"}},
        "required": ["query"],
        "additionalProperties": False,
    }
    return Tool(name, "搜索工具", run, parameters, request=SUMMARY_REQUEST)


def _prose(document: Document) -> str:
    origin = "，".join(filter(None, (document.source, document.date)))
    return f"{document.title}：{document.text}（来源：{origin}）"


def _documents(answer: Any, path: Sequence[str], *, text: str, date: str) -> list[Document]:
    """Read the results of a service, which leaves out the list where it is empty."""
    found = answer
    for name in path:
        found = found.get(name, {}) if isinstance(found, Mapping) else None
    if found == {}:
        return []
    if not isinstance(found, list) or not all(isinstance(result, Mapping) for result in found):
        raise ToolError("搜索服务的回答不完整")
    return [
        Document(
            title=_words(result, "title"),
            text=_words(result, text),
            source=_words(result, "url"),
            date=_words(result, date),
        )
        for result in found
    ]


def _words(result: Mapping[str, Any], name: str) -> str:
    value = result.get(name)
    return without_markup(value) if isinstance(value, str) else ""


def _passages(path: Path, source: str) -> list[Document]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no text in UTF-8") from error
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]
    title = paragraphs[0].lstrip("# ") if paragraphs and paragraphs[0].startswith("#") else path.stem
    passages: list[str] = []
    for paragraph in paragraphs:
        if passages and len(passages[-1]) + len(paragraph) < _LONGEST_PASSAGE:
            passages[-1] += f" {paragraph}"
        else:
            passages.append(paragraph)
    return [Document(title, passage, source) for passage in passages]
