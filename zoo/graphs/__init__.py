"""Networks that a file holds as a graph, on their way to a cfg."""
