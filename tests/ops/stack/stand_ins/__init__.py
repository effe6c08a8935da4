"""Small programs that stand where the API, the workers and the rest will, so that the supervisor is tested alone."""
