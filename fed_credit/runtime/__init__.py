"""What carries the messages: in process (``local``) or Flower's engine (``simulation``)."""
