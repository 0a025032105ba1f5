"""QuartzNet encoders for dstoolkit."""
