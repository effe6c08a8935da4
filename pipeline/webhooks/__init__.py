"""Sending what webhooks are told."""
