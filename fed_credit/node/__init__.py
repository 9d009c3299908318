"""The bank's machine: what runs between Flower's SuperNode and the bank's own app."""
