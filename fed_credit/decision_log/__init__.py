"""Every decision as it was made, so that it can be shown, explained and made again."""
