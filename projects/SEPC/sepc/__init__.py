"""Scale-Equalizing Pyramid Convolution (SEPC, arXiv 2005.03101)."""
