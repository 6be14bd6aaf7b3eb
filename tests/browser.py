"""A real browser for the tests: Chromium, driven by ChromeDriver over WebDriver's HTTP protocol.

Nothing but the two programs is needed (Debian's packages chromium and chromium-driver).
"""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request

# Names of a key in WebDriver.
KEYS = {
    "Enter": "\ue007", "Left": "\ue012", "Right": "\ue014", "Home": "\ue011", "End": "\ue010",
    "Tab": "\ue004", "Space": " ", "Up": "\ue013", "Down": "\ue015", "Escape": "\ue00c",
}  # fmt: skip
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


def programs():
    """The browser and its driver, or None where one of them is not installed."""
    driver = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
    browser = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    return (browser, driver) if browser and driver else None


class Browser:
    """A browser with one page.

    Args:
        browser, driver: the two programs.
    """

    def __init__(self, browser, driver):
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._driver = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            self._server = f"http://127.0.0.1:{self._port()}"
            options = {
                "binary": browser,
                "args": [*_ARGUMENTS, f"--user-data-dir={self._folder.name}"],
            }
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
            made = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{made['sessionId']}"
        except BaseException:
            self._end()
            raise

    def _port(self):
        for line in self._driver.stdout:
            found = re.search(r"successfully on port (\d+)", line)
            if found:
                return int(found[1])
        raise RuntimeError("ChromeDriver did not say on which port it listens")

    def _call(self, method, path, body=None):
        request = urllib.request.Request(
            self._server + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with straight.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def _post(self, path, **body):
        return self._call("POST", self._session + path, body)

    def open(self, path, fragment=""):
        """Open a file."""
        self._post("/url", url="about:blank")
        self._post("/url", url=path.resolve().as_uri() + fragment)

    def run(self, script, *arguments):
        """The result of a function's body in JavaScript."""
        return self._post("/execute/sync", script=script, args=list(arguments))

    def devtools(self, command, **parameters):
        """A command of the DevTools protocol."""
        return self._post("/goog/cdp/execute", cmd=command, params=parameters)

    def element(self, selector):
        """The first element that a CSS selector finds; it fails where there is none."""
        found = self._post("/element", using="css selector", value=selector)
        return Element(self, found[_ELEMENT])

    def text(self, selector):
        """The text that is to be seen in an element."""
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def press(self, *names):
        """Press keys, one after the other, where the focus is."""
        actions = [
            {"type": kind, "value": KEYS.get(name, name)}
            for name in names
            for kind in ("keyDown", "keyUp")
        ]
        self._post("/actions", actions=[{"type": "key", "id": "keys", "actions": actions}])

    def log(self, kind="browser"):
        """What the browser has logged since it was last asked: the console, or ``performance``."""
        return self._post("/se/log", type=kind)

    def requests(self):
        """The addresses that were asked for since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def look(self, *, width=1280, height=900, dark=False):
        """Give the page a size, and light or dark colours."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 700,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path):
        """Write what is to be seen as a PNG file."""
        path.write_bytes(base64.b64decode(self._call("GET", f"{self._session}/screenshot")))

    def close(self):
        """End the browser and its driver."""
        try:
            self._call("DELETE", self._session)
        finally:
            self._end()

    def _end(self):
        self._driver.terminate()
        self._driver.wait(timeout=20)
        self._driver.stdout.close()
        self._folder.cleanup()


class Element:
    """An element of the page."""

    def __init__(self, browser, key):
        self._browser = browser
        self._path = f"/element/{key}"

    def click(self):
        """Click on it, where it is to be seen; it fails where it is not."""
        self._browser._post(f"{self._path}/click")

    def type(self, text):
        """Type into it."""
        self._browser._post(f"{self._path}/value", text=text)

    def clear(self):
        """Empty the field."""
        self._browser._post(f"{self._path}/clear")
