"""Families of networks: each writes cfg text and recognises its checkpoints."""
