"""The gaze as a pad: a point that is pulled or moved with the arrow keys, and an eye that looks there."""

from __future__ import annotations

from typing import Any

import gradio as gr

from vasa_core.options import GAZE_LIMIT

STEP, LEAP = 1, 5  # degrees, an arrow key moves; with Shift
_TEMPLATE = """
<div class="pad" role="application" tabindex="0" aria-roledescription="gaze pad"
  aria-label="Gaze: arrow keys move it by a degree, with Shift by five, Home looks into the camera">
  <svg class="field" viewBox="-36 -36 72 72" aria-hidden="true">
    <rect x="-34" y="-34" width="68" height="68" rx="4"/>
    <path d="M-34 0H34M0-34V34"/><circle class="point" r="4"/>
  </svg>
  <svg class="eyes" viewBox="-66 -36 132 72" aria-hidden="true">
    <g class="eye" transform="translate(-33 0)"><path d="M-28 0Q0-24 28 0Q0 24-28 0Z"/>
      <g class="iris"><circle r="11"/><circle class="pupil" r="5"/></g></g>
    <g class="eye" transform="translate(33 0)"><path d="M-28 0Q0-24 28 0Q0 24-28 0Z"/>
      <g class="iris"><circle r="11"/><circle class="pupil" r="5"/></g></g>
  </svg>
  <output aria-live="polite"></output>
</div>
"""
_STYLE = """
.pad { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; padding: 10px 12px; }
.field { width: 132px; height: 132px; cursor: crosshair; touch-action: none; }
.eyes { width: 176px; height: 96px; }
.field rect { fill: var(--background-fill-secondary); stroke: var(--input-border-color); }
.field path { stroke: var(--body-text-color-subdued); stroke-width: .5; }
.point { fill: #4f46e5; stroke: white; }
.eye path { fill: white; stroke: #374151; stroke-width: 1.5; }
.iris circle { fill: #6b4f2a; } .iris .pupil { fill: #111827; }
output { flex-basis: 100%; color: var(--body-text-color); }
"""
# [yaw, pitch], degrees. An iris of radius 11 is moved by the sine of its angle in an eye of radius 30.
_SCRIPT = """
const LIMIT = @LIMIT@, pad = element.querySelector('.pad'), field = element.querySelector('.field');
const kept = value => Math.max(-LIMIT, Math.min(LIMIT, Math.round(value)));
const said = (value, plus, minus) => value ? `${Math.abs(value)}\\u00b0 ${value > 0 ? plus : minus}` : '';
let gaze = [0, 0], pulled = false;
function show() {
  const [yaw, pitch] = gaze, sine = angle => (30 * Math.sin(angle * Math.PI / 180)).toFixed(1);
  element.querySelector('.point').setAttribute('transform', `translate(${yaw} ${-pitch})`);
  for (const iris of element.querySelectorAll('.iris'))
    iris.setAttribute('transform', `translate(${sine(yaw)} ${sine(-pitch)})`);
  const words = [said(yaw, 'right', 'left'), said(pitch, 'up', 'down')].filter(Boolean).join(', ');
  element.querySelector('output').value = words || 'into the camera';
}
function look(yaw, pitch) {
  gaze = [kept(yaw), kept(pitch)];
  [pad.dataset.yaw, pad.dataset.pitch] = gaze;
  show();
  trigger('input');
}
function follow(event) {
  const box = field.getBoundingClientRect();
  look(72 * (event.clientX - box.left) / box.width - 36, 36 - 72 * (event.clientY - box.top) / box.height);
}
field.addEventListener('pointerdown', event => {
  pulled = true;
  field.setPointerCapture(event.pointerId);
  follow(event);
});
field.addEventListener('pointermove', event => { if (pulled) follow(event); });
field.addEventListener('lostpointercapture', () => { pulled = false; });
pad.addEventListener('keydown', event => {
  const by = event.shiftKey ? @LEAP@ : @STEP@, moves = {
    ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, by], ArrowDown: [0, -by]};
  if (event.key === 'Home') look(0, 0);
  else if (moves[event.key]) look(gaze[0] + moves[event.key][0], gaze[1] + moves[event.key][1]);
  else return;
  event.preventDefault();
});
pad.addEventListener('gaze', event => {
  if (pulled) return; // by then it is somewhere else
  gaze = event.detail;
  show();
});
show();
"""
# Between the pad and the sliders, in the browser alone.
_TO_PAD = """(yaw, pitch) => {
  document.querySelector('#gaze-pad .pad')?.dispatchEvent(new CustomEvent('gaze', {detail: [yaw, pitch]}));
}"""
_TO_SLIDERS = """() => {
  const moved = document.querySelector('#gaze-pad .pad').dataset;
  return [+moved.yaw, +moved.pitch];
}"""


def gaze_pad() -> gr.HTML:
    """Lay out the pad here."""
    script = _SCRIPT.replace("@LIMIT@", f"{GAZE_LIMIT:g}").replace("@STEP@", str(STEP)).replace("@LEAP@", str(LEAP))
    return gr.HTML(html_template=_TEMPLATE, css_template=_STYLE, js_on_load=script, elem_id="gaze-pad")


def connect_gaze(pad: gr.HTML, yaw: Any, pitch: Any) -> None:
    """Keep the pad and these two sliders in step."""
    pad.input(None, None, [yaw, pitch], js=_TO_SLIDERS, api_visibility="private")
    for slider in (yaw, pitch):
        slider.change(None, [yaw, pitch], None, js=_TO_PAD, api_visibility="private")
