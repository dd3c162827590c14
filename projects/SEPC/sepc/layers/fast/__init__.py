"""Fast forms of parts of pyramid convolution, each equal to a plain form that works without it."""
