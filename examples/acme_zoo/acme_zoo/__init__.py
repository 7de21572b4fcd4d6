"""An example of a plugin for zoo."""
