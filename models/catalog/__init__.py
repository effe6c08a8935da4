"""The resources: a struct and a table each, and what links them."""
