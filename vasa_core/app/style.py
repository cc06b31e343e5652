"""How the page looks: the system's own font, text that can be read on what it stands on, a focus that is seen."""

from __future__ import annotations

import gradio as gr

FONT = ("system-ui", "sans-serif")
THEME = gr.themes.Soft(
    font=FONT,
    font_mono=("ui-monospace", "monospace"),
).set(
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    block_border_width="1px",
    block_border_color="*neutral_300",
    block_border_color_dark="*neutral_600",
    block_title_padding="0",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_300",
    block_label_background_fill="*primary_50",
    block_label_text_color="*primary_800",
    checkbox_label_background_fill_selected="*primary_600",
    checkbox_label_background_fill_selected_dark="*primary_600",
    block_label_text_color_dark="white",
    block_title_background_fill="none",
    block_title_background_fill_dark="none",
    block_title_text_color="*neutral_800",
    block_title_text_color_dark="*neutral_100",
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    button_primary_background_fill_dark="*primary_600",
    button_cancel_background_fill="*neutral_200",
    button_cancel_background_fill_dark="*neutral_700",
    button_cancel_text_color="*neutral_800",
    button_cancel_text_color_dark="white",
    input_border_width="1px",
    input_border_color="*neutral_500",
    input_border_color_dark="*neutral_400",
)
CSS = """
.desk { display: grid; gap: 16px; align-items: start; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr);
  grid-template-areas: "give show" "tune show"; grid-template-rows: auto 1fr; }
.desk-give { grid-area: give; min-width: 0 !important; gap: 12px; }
time, [aria-label^="Adjust playback speed"], [aria-label^="Adjust playback speed"] * {
  color: var(--body-text-color) !important; }
.desk-show { grid-area: show; min-width: 0 !important; position: sticky; top: 8px; }
.desk-tune { grid-area: tune; min-width: 0 !important; }
#tabs button[role=tab] { padding-inline: 12px; }
button[role=tab].selected { color: #4338ca; }
.dark button[role=tab].selected { color: #a5b4fc; }
@media (max-width: 800px) {
  #tabs button[role=tab] { padding-inline: 8px; }
  .desk { grid-template-columns: minmax(0, 1fr); grid-template-areas: "give" "show" "tune"; grid-template-rows: auto; }
  .desk-show { position: static; }
  [id$=example-faces] .gallery-item { width: 44px !important; height: 44px !important; }
}
.desk-inputs { flex-wrap: nowrap; gap: 8px; align-items: stretch; }
.desk-inputs > * { min-width: 0 !important; }
:is(.faces-line, .status-line), :is(.faces-line, .status-line) .html-container {
  padding: 0 !important; min-height: 0 !important; }
.player { width: 100%; height: min(80vh, 560px); border: 1px solid var(--block-border-color); border-radius: 8px; }
.found h3 { margin: 12px 0 2px; }
.found :is(p, td) { overflow-wrap: anywhere; }
.found th { text-align: left; padding-right: 12px; vertical-align: top; }
[id$=example-faces] .gallery-item { width: 56px; height: 56px; }
[id$=example-faces] .gallery-item :is(div, img) { width: 100%; height: 100%; max-width: none; object-fit: cover; }
.desk-stage { position: relative; }
.desk-stage .desk-preview { position: absolute; inset: 0; z-index: 5; pointer-events: none; padding: 0; }
.desk-preview :is(div, span) { height: 100%; padding: 0; }
.desk-preview img { width: 100%; height: 100%; margin: 0; object-fit: contain;
  background: var(--background-fill-secondary); }
.status-line p, .faces-line p { margin: 0 0 2px; font-size: var(--text-md); }
:is(.status-line, .faces-line) :is(.wrong, .warning) { font-weight: 600; color: #b42318; }
.dark :is(.status-line, .faces-line) :is(.wrong, .warning) { color: #fda29b; }
.status-line progress { display: block; width: 100%; height: 8px; border: 0; border-radius: 4px; overflow: hidden;
  appearance: none; background: #d1d5db; }
.status-line progress::-webkit-progress-bar { background: #d1d5db; }
.status-line progress::-webkit-progress-value { background: #4f46e5; }
.status-line progress::-moz-progress-bar { background: #4f46e5; }
input[type=range]::-webkit-slider-thumb { border: 1px solid #4b5563 !important; }
:is(input, button, select, textarea, a, summary, [tabindex]):focus-visible {
  outline: 3px solid #4f46e5 !important; outline-offset: 2px !important; }
button[role=tab].selected { color: #4338ca; }
.dark button[role=tab].selected { color: #a5b4fc; }
.dark :is(input, button, select, textarea, a, summary, [tabindex]):focus-visible { outline-color: #a5b4fc !important; }
:is(footer, footer a, footer button, .min_value, .max_value) {
  color: var(--body-text-color) !important; opacity: 1 !important; }
"""
