"""Benchmarks against the reference formulation: of a trunk, of whole detectors, of precisions."""
