"""Pages in a real browser: ``probe`` runs a script in a page, ``outside`` names what it would load."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome found to open pages with")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=5000",
)
NARROWEST = 500  # pixels; a headless window is never narrower, so a narrower page is put into a frame

# Stands first in <head>: keeps errors, dialogs and the elements that listen to mouse or keyboard.
COLLECT = """
const probed = {errors: [], alerts: [], listeners: []};
const failed = (event) => probed.errors.push(event.message || "cannot load " + event.target.outerHTML);
addEventListener("error", failed, true);
addEventListener("unhandledrejection", (event) => probed.errors.push("unhandled: " + event.reason));
addEventListener("securitypolicyviolation", (event) => probed.errors.push("refused: " + event.blockedURI));
console.error = (...values) => probed.errors.push(values.map(String).join(" "));
for (const name of ["alert", "confirm", "prompt"]) window[name] = (text) => { probed.alerts.push(String(text)); };
const listen = EventTarget.prototype.addEventListener;
EventTarget.prototype.addEventListener = function (type, ...rest) {
  if (this instanceof Element && /^(click|input|change|key|mouse|pointer)/.test(type)) probed.listeners.push(this);
  return listen.call(this, type, ...rest);
};
"""

# Stands last in <body>. $$, shown, put and press are there for the scripts of tests.
RUN = """
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
const shown = (selector, from = document) => $$(selector, from).filter((one) => one.getClientRects().length > 0);
const put = (control, value) => {
  control.value = value;
  for (const type of ["input", "change"]) control.dispatchEvent(new Event(type, {bubbles: true}));
};
const press = (control, key) => {
  control.focus();
  for (const type of ["keydown", "keyup"]) control.dispatchEvent(new KeyboardEvent(type, {key, bubbles: true}));
};
addEventListener("load", async () => {
  const found = {};
  try {
    found.result = (await (async () => { SCRIPT })()) ?? null;
  } catch (error) {
    found.failure = error.stack;
  }
  await new Promise((done) => setTimeout(done, 300));  // requests and rejected promises of the script
  found.requests = performance.getEntriesByType("resource").map((entry) => entry.name);
  found.errors = probed.errors;
  found.alerts = probed.alerts;
  const sheet = window.parent.document.createElement("pre");
  sheet.id = "probe";
  sheet.textContent = JSON.stringify(found);
  window.parent.document.body.append(sheet);
});
"""

# What every page must be able to show, whatever it holds.
SURVEY = r"""
const native = ["BUTTON", "SELECT", "INPUT", "TEXTAREA", "SUMMARY"];
const isNative = (one) => native.includes(one.tagName) || (one.tagName === "A" && one.hasAttribute("href"));
const own = $$("button, select, input, textarea, summary, a[href]");
const odd = $$("[onclick], [role=button], [tabindex]").filter((one) => !isNative(one) && one.tabIndex !== 0);
const printed = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])
  .filter((rule) => rule instanceof CSSMediaRule && rule.media.mediaText === "print")
  .flatMap((rule) => [...rule.cssRules]);
return {
  inner: innerWidth,
  scroll: document.documentElement.scrollWidth,
  strangers: [...probed.listeners, ...odd].filter((one) => !isNative(one)).map((one) => one.outerHTML.slice(0, 100)),
  controls: own.map((one) => {
    one.focus();
    const name = one.ariaLabel || (one.labels && one.labels[0] ? one.labels[0].textContent : one.textContent);
    return {tag: one.tagName, reached: document.activeElement === one && one.tabIndex >= 0, name: name.trim()};
  }),
  heads: $$(".browser thead th").length,
  headButtons: $$(".browser thead th > button[type=button]").length,
  hiddenInPrint: printed.filter((rule) => rule.style.display === "none").map((rule) => rule.selectorText),
};
"""


def probe(page: Path, script: str = SURVEY, width: int = 1200, fragment: str = "") -> dict[str, Any]:
    """Open a copy of ``page``, ``width`` pixels wide, and run ``script`` in it once it is loaded.

    ``fragment`` is put behind its address (not on narrow pages, which stand in a frame).

    ``script`` is the body of an async function (``return`` what JSON can hold). It may use ``$$(selector)``,
    ``shown(selector)`` (only what is visible), ``put(control, value)`` and ``press(control, key)``.

    Returns:
        ``result`` (what the script returned), ``errors`` (uncaught, of console.error, and failed loads),
        ``alerts`` (texts of dialogs) and ``requests`` (addresses the page asked for).

    Raises:
        AssertionError: the script failed, or the browser gave no answer.
    """
    assert BROWSER is not None
    source = page.read_text("utf-8")
    run = RUN.replace("SCRIPT", script).replace("</", "<\\/")
    text = re.sub(r"<head\b[^>]*>", lambda head: f"{head[0]}<script>{COLLECT}</script>", source, count=1)
    end = text.rfind("</body>")
    assert text != source, f"{page} has no <head>"
    assert end >= 0, f"{page} has no </body>"
    text = f"{text[:end]}<script>{run}</script>{text[end:]}"
    if width < NARROWEST:
        frame = f'<iframe style="border:0" width="{width}" height="800" srcdoc="{html.escape(text)}"></iframe>'
        text = f'<!doctype html><html><head><meta charset="utf-8"></head><body>{frame}</body></html>'
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "page.html"
        copy.write_text(text, "utf-8")
        options = [f"--user-data-dir={folder}/profile", f"--window-size={max(width, NARROWEST)},800"]
        command = [BROWSER, *FLAGS, *options, "--dump-dom", copy.as_uri() + fragment]
        done = subprocess.run(command, capture_output=True, timeout=120)
    answer = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout.decode("utf-8"), re.DOTALL)
    assert answer, f"no answer from {BROWSER} ({done.returncode}): {done.stderr.decode('utf-8', 'replace')[-2000:]}"
    found = json.loads(html.unescape(answer[1]))
    assert "failure" not in found, found["failure"]
    return found


class _Loads(HTMLParser):
    """Collects what could load something: addresses in attributes, in styles and in scripts."""

    ADDRESSES = frozenset(
        ("action", "background", "data", "formaction", "href", "ping", "poster", "src", "srcset", "xlink:href")
    )
    IN_STYLE = re.compile(r"@import\b|url\((?!\s*['\"]?(?:data:|#))[^)]*", re.IGNORECASE)
    IN_SCRIPT = re.compile(
        r"\bfetch\s*\(|\bimport\b|\b(?:XMLHttpRequest|WebSocket|EventSource|sendBeacon|Worker|importScripts)\b"
    )

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        for name, value in attrs:
            if name in self.ADDRESSES and not (value or "").strip().startswith(("data:", "#")):
                self.found.append(f"<{tag} {name}={value}>")
            if name == "style":
                self.found += self.IN_STYLE.findall(value or "")
            if name == "http-equiv" and (value or "").lower() == "refresh":
                self.found.append("<meta http-equiv=refresh>")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        pattern = {"style": self.IN_STYLE, "script": self.IN_SCRIPT}.get(self.inside)
        self.found += pattern.findall(data) if pattern else []


def outside(page: Path) -> list[str]:
    """What in the page's source could make a request; nothing but data: and #fragments is let through."""
    parser = _Loads()
    parser.feed(page.read_text("utf-8"))
    parser.close()
    return parser.found


def quiet(found: dict[str, Any]) -> Any:
    """The script's result, of a page that raised, asked for and said nothing."""
    assert found["errors"] == []
    assert found["alerts"] == []
    assert found["requests"] == []
    return found["result"]


# What a page shows in English, then in Dutch, then in English again.
LANGUAGES = r"""
const visible = () => [...new Set(shown("h1, h2, th, figcaption, summary").map((one) => one.innerText.trim()))];
const box = (text) => text.getBoundingClientRect();
const clipped = () => $$("figure svg").flatMap((svg) => shown("text", svg).filter((text) =>
  box(text).left < box(svg).left - 1 || box(text).right > box(svg).right + 1
  || box(text).top < box(svg).top - 1 || box(text).bottom > box(svg).bottom + 1).map((text) => text.textContent));
const state = () => ({
  language: document.documentElement.lang, title: document.title, heads: visible(), clipped: clipped(),
  hidden: shown(document.documentElement.lang === "nl" ? ".en" : ".nl").length,
  options: $$(".kind")[0]?.options[0].textContent, groups: $$("optgroup").map((one) => one.label),
  drawings: $$("figure svg").map((one) => one.getAttribute("aria-label")),
  counts: $$(".count").map((one) => one.textContent), address: location.hash, inner: innerWidth,
  scroll: document.documentElement.scrollWidth,
});
const alone = $$(".en").filter((one) => !one.nextElementSibling?.matches(".nl")).map((one) => one.textContent);
const start = state();
const button = $$(".language")[0];
const name = button.ariaLabel;
button.click();
const other = {...state(), name: button.ariaLabel};
button.click();
return {start, other, back: state(), alone, name, buttonHidden: button.hidden};
"""


def in_two_languages(page: Path, width: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The states of a page in English and Dutch, after what must hold of every page."""
    result = quiet(probe(page, LANGUAGES, width))
    english, dutch, back = result["start"], result["other"], result["back"]
    assert result["alone"] == []  # every English text has its Dutch one beside it
    assert not result["buttonHidden"]
    assert (english["language"], dutch["language"], back["language"]) == ("en", "nl", "en")
    assert (dutch["address"], back["address"]) == ("#nl", "#en")
    assert {**back, "address": ""} == english
    assert result["name"] != dutch["name"]
    for state in (english, dutch):
        assert state["hidden"] == 0
        assert state["clipped"] == []
        assert state["inner"] == width
        assert state["scroll"] <= width + 1
    return english, dutch
