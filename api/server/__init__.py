"""The server that runs the application."""
