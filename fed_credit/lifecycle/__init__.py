"""The whole loop where the truth is known: a demo, a year month by month, and the SBA sample."""
