"""Documents: what a finance department receives; PDF in two languages, CSV of every event."""
