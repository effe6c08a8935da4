"""What the system tidies up, and when."""
