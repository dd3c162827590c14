"""Backbones and their parts: pyramid convolution after FPN, and the blocks of released models."""
