"""Files of weights that users bring: what they hold, told from names, shapes and metadata alone. Nothing in them is run."""
