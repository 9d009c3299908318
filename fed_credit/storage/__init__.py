"""What registry and decision log share: databases by file or address, append-only, hash-chained."""
