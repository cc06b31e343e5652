"""What the volume face model is trained by, one loss a file; each takes tensors and knows no network of the model."""
