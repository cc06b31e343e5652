"""What the trainers minimise; each loss takes tensors and knows no network of the models."""
