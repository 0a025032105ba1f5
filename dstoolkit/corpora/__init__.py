"""Corpora: where each comes from, how it is laid out, how it is split."""
