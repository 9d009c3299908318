"""The operator's side: kits, the SuperLink, the proxy before it, runs."""
