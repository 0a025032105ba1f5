"""Encoders and the CTC model around them."""
