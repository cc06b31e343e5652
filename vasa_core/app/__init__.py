"""The web app; `serve` opens it. Nothing outside this package knows Gradio."""
