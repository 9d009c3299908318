"""The scoring service: decisions over HTTP, logged before they are answered, and its pages."""
