"""The OpenAPI document: what Litestar reads off the signatures, completed by what holds for each kind of route."""
