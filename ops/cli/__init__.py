"""The command line ``episodes``."""
