"""What enlarges pictures: resamplers, and networks trained for it."""
