"""Readers of what users give, on damaged and hostile input: each is refused in one line.

A test draws from a seed some dozens of inputs; ``FUZZ_TRIES=1000`` draws as many per test.
"""
