"""From text to error rates."""
