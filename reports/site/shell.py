"""What all pages have around their content: head, policy, navigation."""

from collections.abc import Sequence

from reports.render.markup import Markup, element, join

# Nothing but what lies in the report's folder is loaded or run, whatever a text shown here says. Sounds may lie
# elsewhere on this machine. A page that is served may also fetch sounds, to draw them.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' file:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)

REFRESH = "site/refresh.js"
"""The script by which a served page hears of new results; every page with scripts loads it."""


def page(title: str, *content: str, root: str = "", scripts: Sequence[str] = (), name: str = "") -> str:
    """Return a whole page.

    Args:
        title: of the page.
        *content: of its main part.
        root: the way from the page to the report's folder, empty or ``../``.
        scripts: to be loaded, relative to the report's folder, in order.
        name: of what it shows, for the scripts.
    """
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        element("title", title),
        element("link", rel="stylesheet", href=f"{root}site/report.css"),
        *(
            element("script", src=f"{root}{script}", defer="")
            for script in dict.fromkeys((*scripts, *([REFRESH] if scripts else ())))
        ),
    ]
    body = element("body", element("main", *content, id="main"), data_root=root, data_page=name)
    return join(
        Markup("<!DOCTYPE html>\n"), Markup(f'<html lang="en">{element("head", *head)}{body}</html>'), Markup("\n")
    )
