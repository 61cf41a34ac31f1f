"""Open every page of the site in a headless browser and say what is wrong with it.

    make docs && python tools/check_site.py --screenshots FOLDER

Looked for, on every page: links and anchors that lead nowhere, pictures that do not load, errors of scripts, anything
fetched from another machine, text wider than a telephone. The search must find something. It needs Playwright
(``pip install playwright``) and a Chromium, ``--browser`` or what is installed.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

SITE = Path(__file__).resolve().parents[1] / "site"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
#: Pages of which pictures are taken.
SHOWN = ("index.html", "tutorial.html", "architecture.html")
_ADDRESSES = "[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))"
_NAMES = "[...document.querySelectorAll('[id], a[name]')].map(e => e.id || e.name)"
_BLIND = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
_WIDTH = "document.documentElement.scrollWidth"


@dataclass
class Report:
    """What was found on the pages.

    Attributes:
        links: Page → addresses that it links to, as they are written.
        anchors: Page → names in it that a link may lead to.
        faults: Sentences about what is wrong.
    """

    links: dict[str, list[str]] = field(default_factory=dict)
    anchors: dict[str, set[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the site and says nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Leave requests out of the output."""


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Address below which the site is served, on this machine, while the context lasts.

    Args:
        site: Folder of the site.
    """
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def broken_links(links: dict[str, list[str]], anchors: dict[str, set[str]], site: Path) -> list[str]:
    """Sentences about links inside the site that lead nowhere.

    Args:
        links: Page → addresses that it links to.
        anchors: Page → names in it.
        site: Folder of the site.
    """
    faults = []
    for page, addresses in links.items():
        for address in addresses:
            path, anchor = urldefrag(urljoin(f"http://site/{page}", address))
            parts = urlsplit(path)
            if parts.netloc != "site" or parts.scheme not in ("http", "https"):
                continue
            target = unquote(parts.path).lstrip("/") or "index.html"
            target += "index.html" if target.endswith("/") else ""
            if not (site / target).is_file():
                faults.append(f"{page}: {address} leads to no file.")
            elif anchor and target in anchors and unquote(anchor) not in anchors[target]:
                faults.append(f"{page}: {address} leads to no place on its page.")
    return faults


def visit(browser: Any, root: str, names: list[str]) -> Report:
    """Open pages one after the other and note links, names, faults.

    Args:
        browser: Browser of Playwright.
        root: Address of the site.
        names: Pages, paths below the site.
    """
    report = Report()
    tab = browser.new_page(viewport=DESKTOP)
    current = ""
    tab.on("pageerror", lambda error: report.faults.append(f"{current}: script: {error}"))
    tab.on("console", lambda m: report.faults.append(f"{current}: {m.text}") if m.type == "error" else None)
    # What is still loading when the next page is opened has not failed.
    failed = "did not load."
    tab.on(
        "requestfailed",
        lambda r: None if aborted(r.failure) else report.faults.append(f"{current}: {r.url} {failed}"),
    )
    elsewhere = "was asked for, which is not of this site."
    tab.on(
        "request", lambda r: None if inside(r.url, root) else report.faults.append(f"{current}: {r.url} {elsewhere}")
    )
    for current in names:
        tab.set_viewport_size(DESKTOP)
        tab.goto(root + current, wait_until="load")
        report.links[current] = tab.evaluate(_ADDRESSES)
        report.anchors[current] = set(tab.evaluate(_NAMES))
        report.faults += [f"{current}: the picture {src} is not shown." for src in tab.evaluate(_BLIND)]
        tab.set_viewport_size(PHONE)
        if (width := tab.evaluate(_WIDTH)) > PHONE["width"]:
            report.faults.append(f"{current}: {width} pixels wide on a telephone of {PHONE['width']}.")
    tab.close()
    return report


def aborted(reason: str | None) -> bool:
    """Whether the browser itself gave a request up.

    Args:
        reason: Reason that the browser gives.

    Examples:
        >>> aborted("net::ERR_ABORTED"), aborted("net::ERR_CONNECTION_REFUSED"), aborted(None)
        (True, False, False)
    """
    return "ERR_ABORTED" in (reason or "")


def inside(address: str, root: str) -> bool:
    """Whether an address belongs to the site, or is part of a page.

    Args:
        address: Address that was asked for.
        root: Address of the site.

    Examples:
        >>> inside("http://127.0.0.1:8/a.css", "http://127.0.0.1:8/"), inside("https://fonts.example", "http://x/")
        (True, False)
    """
    return address.startswith((root, "data:", "blob:"))


def search_fault(browser: Any, root: str, words: str = "anomaly map") -> list[str]:
    """What is wrong with the search, if it is.

    Args:
        browser: Browser of Playwright.
        root: Address of the site.
        words: Words that are searched for.
    """
    tab = browser.new_page(viewport=DESKTOP)
    tab.goto(root)
    field = tab.locator("input.md-search__input")
    field.click()
    field.press_sequentially(words)
    try:
        tab.locator(".md-search-result__item").first.wait_for(timeout=20_000)
    except Exception as error:
        return [f"The search for {words!r} finds nothing: {error}"]
    finally:
        tab.close()
    return []


def take_screenshots(browser: Any, root: str, folder: Path) -> list[Path]:
    """Pictures of the shown pages: desktop in light and dark, telephone.

    Args:
        browser: Browser of Playwright.
        root: Address of the site.
        folder: Folder to write to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, size, scheme in (("light", DESKTOP, "light"), ("dark", DESKTOP, "dark"), ("phone", PHONE, "light")):
        tab = browser.new_page(viewport=size, color_scheme=scheme)
        for page in SHOWN:
            tab.goto(root + page, wait_until="load")
            path = folder / f"{page.removesuffix('.html')}-{name}.png"
            tab.screenshot(path=path)
            written.append(path)
        tab.close()
    return written


def main() -> int:
    """Check the site; the exit status is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, default=SITE, help="folder of the site")
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    parser.add_argument("--browser", default=found, help="Chromium to start (if none is found, Playwright's own)")
    parser.add_argument("--screenshots", type=Path, help="folder for pictures of three pages")
    args = parser.parse_args()
    if not (args.site / "index.html").is_file():
        parser.error(f"{args.site} holds no site. Make it: make docs")
    from playwright.sync_api import sync_playwright

    names = sorted(p.relative_to(args.site).as_posix() for p in args.site.rglob("*.html"))
    with served(args.site) as root, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.browser, args=["--no-sandbox"])
        report = visit(browser, root, [n for n in names if n != "404.html"])
        faults = report.faults + broken_links(report.links, report.anchors, args.site) + search_fault(browser, root)
        for path in take_screenshots(browser, root, args.screenshots) if args.screenshots else []:
            print(path)
        browser.close()
    print("\n".join(faults) or f"{len(report.links)} pages, {sum(map(len, report.links.values()))} links: all is well.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
