"""What the tests in real Chromium share: how it is started, sizes of screens, and text that cannot be read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS = [*_QUIET, "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"]
TIMEOUT_MS = 300_000  # on a busy machine
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}

# Every text that is seen, can be used, and whose contrast with what is behind it is below WCAG's 4.5 : 1.
FAINT = """() => {
  const parts = colour => { const n = colour.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3]));
  const linear = v => v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = c => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
  const faint = [];
  for (const e of document.querySelectorAll('body *')) {
    const text = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent).join('').trim();
    const box = e.getBoundingClientRect();
    if (!text || !box.width || !box.height || e.closest(':disabled')) continue;
    if (!e.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    let back = [255, 255, 255], opacity = 1;
    const line = [];
    for (let n = e; n; n = n.parentElement) line.unshift(getComputedStyle(n));
    if (line.some(s => s.backgroundImage !== 'none')) continue;
    for (const s of line) { back = over(parts(s.backgroundColor), back); opacity *= s.opacity; }
    const colour = parts(getComputedStyle(e).color);
    colour[3] *= opacity;
    const [a, b] = [light(over(colour, back)), light(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""

needs_chromium = pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed")


def screenshot(page: Page, name: str) -> None:
    """Keep a picture of the page in $VASA_SCREENSHOTS, if that is set."""
    if folder := os.environ.get("VASA_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")
