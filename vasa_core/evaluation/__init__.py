"""Measures what the pipeline renders, beside the same figures of real video."""
