"""Who calls: tokens, the issuer's keys, roles."""
