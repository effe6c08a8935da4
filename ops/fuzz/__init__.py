"""Requests made from the OpenAPI document: ``python -m ops.fuzz``."""
