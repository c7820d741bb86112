#!/usr/bin/env python3
"""Loads a page in headless Chromium, measures it and takes screenshots.

Reads one JSON object from stdin: {"url", "shots": [{"file", "width", "height",
"scheme": "light" or "dark", "at": "top", "bottom" or "full"}]}. Prints for each shot what was
measured in it, and all requests that the page made. Chromium is spoken to over a pipe by its
DevTools protocol, which needs no port and no library.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile

MEASURE = """(() => {
  const row = document.querySelector('tbody tr:last-child');
  const box = row && row.getBoundingClientRect();
  const wide = [...document.querySelectorAll('body *')].filter(
    (one) => one.getBoundingClientRect().right > innerWidth + 0.5).map((one) => one.outerHTML.slice(0, 120));
  // WCAG 2: the contrast of each text with the ground that it lies on.
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => parts(colour).slice(0, 3).map((part) => part / 255).map(
    (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (one) => {
    for (let under = one; under; under = under.parentElement) {
      const colour = getComputedStyle(under).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = [...document.querySelectorAll('body *')].filter(
    (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  const contrast = texts.map((one) => {
    const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), one.className + ': ' + one.textContent.slice(0, 40)];
  }).sort((x, y) => x[0] - y[0])[0];
  return JSON.stringify({
    title: document.title, headline: document.querySelector('h1').innerText,
    width: innerWidth, scroll_width: document.documentElement.scrollWidth, wide,
    height: document.documentElement.scrollHeight, rows: document.querySelectorAll('tbody tr').length,
    last_row: row && {text: row.innerText, top: box.top, bottom: box.bottom, height: box.height},
    view_height: innerHeight, text: document.body.innerText,
    contrast: contrast[0], weakest: contrast[1],
    problems: [...document.querySelectorAll('.problem')].map((one) => one.innerText),
  });
})()"""


class Browser:
    def __init__(self, program, profile):
        self.to_page, from_us = os.pipe()
        from_page, self.to_us = os.pipe()
        self.read, self.write = os.fdopen(from_page, "rb"), os.fdopen(from_us, "wb")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
                 "--disable-background-networking", "--no-first-run", f"--user-data-dir={profile}",
                 "--remote-debugging-pipe", "about:blank"]

        def three_and_four():  # where Chromium reads and writes
            reads, writes = os.dup(self.to_page), os.dup(self.to_us)
            os.dup2(reads, 3)
            os.dup2(writes, 4)

        self.process = subprocess.Popen(
            [program, *flags], preexec_fn=three_and_four, close_fds=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(self.to_page)
        os.close(self.to_us)
        self.calls, self.session, self.requests, self.events = 0, None, [], []

    def next(self):
        message = bytearray()
        while (byte := self.read.read(1)) != b"\0":
            if not byte:
                raise SystemExit("chromium.py: Chromium has ended")
            message += byte
        return json.loads(message)

    def take(self, message):
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        self.events.append(message.get("method"))

    def call(self, method, **params):
        self.calls += 1
        call = {"id": self.calls, "method": method, "params": params}
        if self.session:
            call["sessionId"] = self.session
        self.write.write(json.dumps(call).encode() + b"\0")
        self.write.flush()
        while (message := self.next()).get("id") != self.calls:
            self.take(message)
        if "error" in message:
            raise SystemExit(f"chromium.py: {method}: {message['error']}")
        return message["result"]

    def until(self, event):
        while event not in self.events:
            self.take(self.next())

    def evaluate(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise SystemExit(f"chromium.py: {answer['exceptionDetails']}")
        return answer["result"].get("value")


def shoot(browser, url, shot):
    browser.call("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": shot.get("scheme", "light")}])
    phone = shot["width"] < 600
    size = {"width": shot["width"], "height": shot["height"], "deviceScaleFactor": 1, "mobile": phone}
    browser.call("Emulation.setDeviceMetricsOverride", **size)
    browser.events.clear()
    browser.call("Page.navigate", url=url)
    browser.until("Page.loadEventFired")
    if shot.get("at") == "bottom":
        browser.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    found = json.loads(browser.evaluate(MEASURE))
    if shot.get("file"):
        options = {"format": "png", "captureBeyondViewport": shot.get("at") == "full"}
        if shot.get("at") == "full":
            options["clip"] = {"x": 0, "y": 0, "width": shot["width"], "height": found["height"], "scale": 1}
        os.makedirs(os.path.dirname(shot["file"]), exist_ok=True)
        with open(shot["file"], "wb") as file:
            file.write(base64.b64decode(browser.call("Page.captureScreenshot", **options)["data"]))
    return found


def main():
    asked = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(sys.argv[1], profile)
        try:
            target = browser.call("Target.createTarget", url="about:blank")["targetId"]
            attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
            browser.session = attached["sessionId"]
            for domain in ["Page", "Network", "Runtime"]:
                browser.call(f"{domain}.enable")
            shots = [shoot(browser, asked["url"], shot) for shot in asked["shots"]]
            print(json.dumps({"shots": shots, "requests": browser.requests}))
        finally:
            browser.process.kill()
            browser.process.wait()


main()
