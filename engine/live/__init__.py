"""The live driver: frames in, decisions by the kernel, orders out, fills booked; and what others may ask of it."""
