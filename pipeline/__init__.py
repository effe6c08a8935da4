"""What workers run: a chain of stages over the job ledger."""
