"""What a picture is like: distances to a reference, signs of flaws, structure, and how sure a mean of them is."""
