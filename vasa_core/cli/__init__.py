"""The commands of `python -m vasa_core`: a thin layer of options over the pipeline, training and evaluation."""
