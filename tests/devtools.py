"""A real browser, driven over its own pipe (Chrome DevTools protocol): pages of a service, with real keys and mouse."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from tests.browser import BROWSER

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)
# The browser reads commands at file descriptor 3 and answers at 4; these two numbers may be taken in the parent.
START = """
import os, sys
ends = [os.dup(int(end)) for end in sys.argv[1:3]]
for end, number in zip(ends, (3, 4)):
    if number in ends:
        ends[ends.index(number)] = os.dup(number)
for number in (0, 1):
    os.dup2(ends[number], number + 3)
os.execv(sys.argv[3], sys.argv[3:])
"""
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38}
KEYS |= {"ArrowRight": 39, "ArrowDown": 40}
TYPED = {"Enter": "\r", " ": " "}
CTRL, SHIFT = 2, 8


class Chromium:
    """One browser process; ``page`` opens a tab in a profile of its own."""

    def __init__(self) -> None:
        assert BROWSER is not None
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_read, self.to_browser = os.pipe()
        self.from_browser, to_write = os.pipe()
        command = [sys.executable, "-c", START, str(to_read), str(to_write), BROWSER, *FLAGS]
        command += [f"--user-data-dir={self.folder.name}/profile", "about:blank"]
        self.process = subprocess.Popen(
            command, pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(to_write)
        self.number = 0
        self.buffer = b""
        self.answers: dict[int, dict[str, Any]] = {}
        self.listeners: dict[str, Callable[[dict[str, Any]], None]] = {}

    def post(self, method: str, session: str = "", **values: Any) -> int:
        """Send a command; returns its number."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": values, **({"sessionId": session} if session else {})}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to_browser, data) :]
        return self.number

    def read(self, seconds: float) -> None:
        """Take in what the browser says within ``seconds``: answers and events."""
        ready, _, _ = select.select([self.from_browser], [], [], max(0.0, seconds))
        if not ready:
            return
        data = os.read(self.from_browser, 1_000_000)
        assert data, f"{BROWSER} ended with {self.process.wait(5)}"
        *messages, self.buffer = (self.buffer + data).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self.answers[message["id"]] = message
            elif message.get("sessionId") in self.listeners:
                self.listeners[message["sessionId"]](message)

    def call(self, method: str, session: str = "", seconds: float = 60, **values: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        number = self.post(method, session, **values)
        deadline = time.monotonic() + seconds
        while number not in self.answers:
            assert time.monotonic() < deadline, f"no answer to {method} within {seconds} s"
            self.read(deadline - time.monotonic())
        answer = self.answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return dict(answer["result"])

    def close(self) -> None:
        """End the process and remove its profile."""
        try:
            self.call("Browser.close", seconds=10)
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self.to_browser)
            os.close(self.from_browser)
            self.folder.cleanup()

    def page(self, address: str, width: int = 1200, height: int = 800, scheme: str = "light") -> Page:
        """A tab at ``address``, loaded."""
        return Page(self, address, width, height, scheme)


class Page:
    """A tab. ``requests`` holds (method, address) of all it and its workers asked for; ``errors`` its complaints."""

    def __init__(self, browser: Chromium, address: str, width: int, height: int, scheme: str) -> None:
        self.browser = browser
        self.requests: list[tuple[str, str]] = []
        self.errors: list[str] = []
        self.context = browser.call("Target.createBrowserContext")["browserContextId"]
        self.target = browser.call("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        browser.listeners[self.session] = self.hear
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True)
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.colours(scheme)
        self.resize(width, height)
        self.go(address)

    def hear(self, event: dict[str, Any]) -> None:
        values = event["params"]
        if event["method"] == "Network.requestWillBeSent":
            self.requests.append((values["request"]["method"], values["request"]["url"]))
        elif event["method"] == "Runtime.exceptionThrown":
            self.errors.append(str(values["exceptionDetails"]))
        elif event["method"] == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning", "assert"):
            self.errors.append(str([item.get("value", item.get("description")) for item in values["args"]]))
        elif event["method"] == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{values['entry']['text']} {values['entry'].get('url', '')}")
        elif event["method"] == "Target.attachedToTarget":
            session = values["sessionId"]
            self.browser.listeners[session] = self.hear
            for method in ("Runtime.enable", "Network.enable", "Log.enable", "Runtime.runIfWaitingForDebugger"):
                self.browser.post(method, session)

    def colours(self, scheme: str) -> None:
        """Prefer "light" or "dark"."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def resize(self, width: int, height: int) -> None:
        """Another window; a narrow one is a phone's."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **values)

    def go(self, address: str) -> None:
        """Open another address and wait until it is loaded."""
        self.call("Page.navigate", url=address)
        self.wait(f"location.href === {json.dumps(address)} && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is waited for."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = 60) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + seconds
        while not self.run(f"Boolean({script})"):
            assert time.monotonic() < deadline, f"not within {seconds} s: {script}\n{self.errors}"
            self.browser.read(0.02)

    def press(self, key: str, modifiers: int = 0) -> None:
        """Press a key as a person does: the browser's own handling included."""
        values = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        values |= {"modifiers": modifiers, **({"text": TYPED[key]} if key in TYPED else {})}
        self.call("Input.dispatchKeyEvent", type="keyDown", **values)
        self.call("Input.dispatchKeyEvent", type="keyUp", **{**values, "text": ""})

    def place(self, selector: str) -> tuple[float, float]:
        """A point within the first line of an element, which is brought into sight."""
        script = """((element) => {
          element.scrollIntoView({ block: "center" });
          const { x, y, width, height } = element.getClientRects()[0];
          return [x + width / 2, y + height / 2];
        })"""
        x, y = self.run(f"{script}(document.querySelector({json.dumps(selector)}))")
        return x, y

    def click(self, selector: str) -> None:
        """Click an element with the mouse."""
        x, y = self.place(selector)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def hover(self, selector: str) -> None:
        """Move the mouse onto an element."""
        x, y = self.place(selector)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def screenshot(self, whole: bool = False) -> bytes:
        """What is to be seen, as PNG; ``whole`` takes the full height."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def close(self) -> None:
        self.browser.listeners.pop(self.session, None)
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)
