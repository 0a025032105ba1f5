"""The CTC loss (Graves et al. 2006)."""
