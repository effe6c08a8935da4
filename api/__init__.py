"""What clients talk to: HTTP in, envelopes out."""
