"""What runs a stage: broker, claims, leases, metrics."""
