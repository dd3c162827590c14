"""What makes pyramid convolution fast: each file equals a plain form that works without it."""
