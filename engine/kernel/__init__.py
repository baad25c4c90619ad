"""The kernel: numba functions over flat arrays that parse, keep books, quote, match and count. Time is an argument."""
