"""A data service to try streams on, and the demo that runs against it (extra `demo`)."""
