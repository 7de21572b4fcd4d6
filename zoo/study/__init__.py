"""The founding thesis's study of brain MRI, repeated: networks, degradations, rotations."""
