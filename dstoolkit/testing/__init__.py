"""What plugin authors test with: the contract kit and a synthetic corpus."""
