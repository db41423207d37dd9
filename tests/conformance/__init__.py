"""Every supported NumPy function, every dtype, every layout, against NumPy."""
