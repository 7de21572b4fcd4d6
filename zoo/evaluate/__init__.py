"""How good a network is: pictures in two sizes, and scores by a stated protocol."""
