"""dstoolkit trains, runs and scores speech recognisers. Importing it imports neither torch nor numba."""

__version__ = "0.1.0"
