"""Low-rank additions to models: their files, what they add to which weights, and training them."""
