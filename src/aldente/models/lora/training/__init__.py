"""Training LoRAs: examples, buckets, and one loop for every network that a LoRA can be trained for."""
