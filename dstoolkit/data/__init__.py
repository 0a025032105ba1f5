"""Kaldi data directories, audio, and the feature archive."""
