"""The ways in which a stream that broke goes on where it was."""
