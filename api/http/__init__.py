"""HTTP itself: bodies, headers, parameters, the envelope of each response."""
