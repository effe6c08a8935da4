"""Sample data: ``python -m ops.seed``."""
