"""The bank's side of the wire: ``NumPyClient`` subclasses around one bank's loan book."""
