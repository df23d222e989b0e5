"""The canary ladder: rungs, criteria, evidence, verdict and bundle."""
