"""Pages to look at: HTML files with everything in them, and the scripts of a viewer.

The scripts are plain modules without a build step; `parts` joins them for a page.
"""
