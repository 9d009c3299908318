"""``report.html``: a run or a sweep on one page that needs nothing but a browser."""
