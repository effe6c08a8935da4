"""Jobs: what they are, how they change, what is due next."""
