"""The web pages of a bank and of the operator: made on the server, without a build step."""
