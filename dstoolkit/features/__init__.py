"""Feature extractors, normalisation and augmentation."""
