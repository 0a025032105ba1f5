"""Gammatone features and FilterAugment for dstoolkit."""
