"""Who may come in without the issuer of tokens."""
