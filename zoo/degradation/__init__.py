"""What cameras, programs and file formats do to pictures, to learn to undo it."""
