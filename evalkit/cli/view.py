"""``evalkit view``: the report of runs in the browser, kept up to date while they go on."""

import argparse
import webbrowser
from collections.abc import Sequence

from evalkit.cli.report import has_results, readable_runs
from evalkit.cli.run_argument import run_argument


def command(arguments: Sequence[str]) -> int:
    """Serve the pages until they are interrupted."""
    parser = argparse.ArgumentParser(
        prog="evalkit view",
        description="Show the report of runs in the browser, served to this machine alone; Ctrl-C ends it. Runs may "
        "have begun a moment ago: the page hears of new results.",
    )
    parser.add_argument(
        "runs", nargs="+", type=run_argument, metavar="RUN", help="run folders; the first is compared with"
    )
    parser.add_argument("--port", type=int, default=0, help="to listen at (default: any that is free)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open no browser")
    options = parser.parse_args(arguments)
    if not 0 <= options.port < 1 << 16:
        parser.error("--port must lie between 0 and 65535")
    from reports.site.live import begun_folders
    from reports.site.server import ReportServer
    from reports.site.size import tables_of

    runs = readable_runs(options.runs, begun_folders)
    if inside := tables_of([run for run in runs if has_results(run)]):
        print(f"copying {inside}, for as long as they are shown")
    with ReportServer(runs, options.port) as server:
        print(f"{server.address} (Ctrl-C ends it)", flush=True)
        if not options.no_browser:
            webbrowser.open(server.address)
        try:
            server.serve()
        except KeyboardInterrupt:
            print()
    return 0
