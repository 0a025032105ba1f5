"""Kurfiles as experiments of dstoolkit: the language is read here, the work is dstoolkit's."""
