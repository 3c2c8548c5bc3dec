"""HTML that cannot be broken by what it shows: texts are escaped unless they are markup already."""

from html import escape

from evalkit.printable import printable


class Markup(str):
    """HTML, made of escaped texts."""

    __slots__ = ()


_EMPTY = frozenset({"br", "img", "link", "meta"})


def element(tag: str, *content: str, **attributes: str | float | None) -> Markup:
    """Return an element; of its content, what is not markup is text.

    Args:
        tag: its name.
        *content: texts and markup, in order.
        **attributes: a trailing underscore is cut off, other underscores become hyphens; those that are None are left
            out.

    >>> element("p", "1 < 2", element("br"), class_="note")
    '<p class="note">1 &lt; 2<br></p>'
    """
    named = "".join(
        f' {name.removesuffix("_").replace("_", "-")}="{escape(printable(str(value)))}"'
        for name, value in attributes.items()
        if value is not None
    )
    start = f"<{tag}{named}>"
    return Markup(start) if tag in _EMPTY else Markup(f"{start}{join(*content)}</{tag}>")


def join(*content: str) -> Markup:
    """Return texts and markup one after the other."""
    return Markup("".join(part if isinstance(part, Markup) else escape(printable(part)) for part in content))


def data_table(caption: str, head: tuple[str, ...], rows: list[tuple[str, ...]], *, texts: int = 1) -> Markup:
    """Return a table whose first columns are texts, and the others numbers.

    Args:
        caption: says what it shows.
        head: titles of the columns; empty above one that heads its rows and needs none.
        rows: each as long as the head.
        texts: how many columns are texts; the first heads its row.
    """
    headings = [
        element("th", title, scope="col", class_=None if at < texts else "n") if title else element("td")
        for at, title in enumerate(head)
    ]
    lines = [element("tr", *(_cell(at, cell, texts) for at, cell in enumerate(row))) for row in rows]
    table = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *headings)),
        element("tbody", *lines),
    )
    return element("div", table, class_="wide", tabindex=0, role="region", aria_label=caption)


def _cell(position: int, content: str, texts: int) -> Markup:
    if position == 0:
        return element("th", isolated(content), scope="row")
    return element("td", isolated(content) if position < texts else content, class_=None if position < texts else "n")


def isolated(text: str) -> Markup:
    """Return a text whose direction of writing turns nothing around it."""
    return text if isinstance(text, Markup) else element("bdi", text)


def bar(share: float) -> Markup:
    """Return a bar that is filled to a share of its length; the number that it shows stands beside it."""
    width = round(96 * min(max(share, 0.0), 1.0), 1)
    return element(
        "svg",
        element("rect", width=96, height=9, class_="track"),
        element("rect", width=width, height=9, class_="fill"),
        class_="bar",
        width=96,
        height=9,
        aria_hidden="true",
    )
