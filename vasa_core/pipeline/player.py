"""A page that plays videos of one length in step: scrub, one alone, a wipe between two. Needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AI-generated videos, compared</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.4 system-ui, sans-serif; }
  body { margin: 0 auto; max-width: 1600px; padding: 1rem; }
  form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; position: sticky; top: 0; z-index: 3;
         padding: .5rem 0; background: Canvas; }
  #time { flex: 1 1 16rem; }
  button, select { font: inherit; padding: .3rem .8rem; }
  main { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; }
  figure { margin: 0; }
  video { width: 100%; display: block; background: #000; }
  figcaption { display: flex; justify-content: space-between; gap: .5rem; padding: .3rem 0; }
  main.few { grid-template-columns: minmax(0, min(100%, 80vh)); justify-content: center; }
  main.few figure { display: none; }
  main.few figure.shown { display: block; grid-area: 1 / 1; }
  main.few figure.over { z-index: 1; }
  main.few figure.over figcaption { justify-content: flex-end; }
  main.wipe figcaption button { display: none; }
</style>
<form onsubmit="return false">
  <button id="play" type="button">Play</button>
  <input id="time" type="range" min="0" max="1" step="0.04" value="0" aria-label="Time, seconds">
  <output id="clock">0.00 s</output>
  <label>A <select id="a"></select></label>
  <label>B <select id="b"></select></label>
  <label><input id="wiped" type="checkbox"> Wipe A | B</label>
  <input id="wipe" type="range" min="0" max="100" value="50" aria-label="Where A ends and B begins, percent" disabled>
</form>
<main>
@FIGURES@
</main>
<script>
"use strict";
const at = name => document.getElementById(name), main = document.querySelector("main");
const figures = [...main.children], videos = figures.map(figure => figure.querySelector("video"));
const lead = videos[0], FAR = 0.06; // seconds that another may be off
let solo = null;
figures.forEach((figure, number) => {
  for (const name of ["a", "b"]) at(name).add(new Option(figure.dataset.label, number));
  figure.querySelector("button").onclick = () => { solo = solo === number ? null : number; show(); };
});
at("b").value = Math.min(1, videos.length - 1);
function show() {
  const wiped = at("wiped").checked, a = +at("a").value, b = +at("b").value;
  const shown = wiped ? [a, b] : solo === null ? [] : [solo];
  main.classList.toggle("few", shown.length > 0);
  main.classList.toggle("wipe", wiped);
  at("wipe").disabled = !wiped;
  figures.forEach((figure, number) => {
    figure.classList.toggle("shown", shown.includes(number));
    figure.classList.toggle("over", wiped && number === b && a !== b);
    figure.style.clipPath = figure.classList.contains("over") ? `inset(0 0 0 ${at("wipe").value}%)` : "";
    figure.querySelector("button").setAttribute("aria-pressed", solo === number);
  });
}
function seek(seconds) { for (const video of videos) video.currentTime = seconds; }
function play(on) { for (const video of videos) on ? video.play() : video.pause(); if (!on) seek(lead.currentTime); }
function tick() {
  for (const video of videos) if (!lead.paused && Math.abs(video.currentTime - lead.currentTime) > FAR)
    video.currentTime = lead.currentTime;
  if (lead.duration) at("time").max = lead.duration;
  if (document.activeElement !== at("time") || !lead.paused) at("time").value = lead.currentTime;
  at("clock").value = lead.currentTime.toFixed(2) + " s";
  at("play").textContent = lead.paused ? "Play" : "Pause";
  requestAnimationFrame(tick);
}
at("play").onclick = () => { if (lead.ended) seek(0); play(lead.paused); };
at("time").oninput = () => seek(+at("time").value);
for (const name of ["a", "b", "wiped", "wipe"]) at(name).oninput = () => { solo = null; show(); };
lead.onended = () => play(false);
show();
tick();
</script>
</html>
"""
_FIGURE = """  <figure data-label="{label}">
    <video src="{source}" preload="auto" playsinline{muted}></video>
    <figcaption><span>{label}</span><button type="button" aria-pressed="false">Solo</button></figcaption>
  </figure>"""


def player_page(videos: Sequence[tuple[str, str]]) -> str:
    """The page's HTML. videos: (file name beside the page, label) each; the first one's sound is heard."""
    figures = [
        _FIGURE.format(label=escape(label), source=quote(name), muted=" muted" if number else "")
        for number, (name, label) in enumerate(videos)
    ]
    return _PAGE.replace("@FIGURES@", "\n".join(figures))
