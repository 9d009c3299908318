"""The consortium's side of the wire: aggregation strategies and what they measure."""
