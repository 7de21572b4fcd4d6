"""How alike two pictures are.

A metric is a function of two arrays that returns a float, registered under
``zoo.metrics``. :mod:`zoo.metrics.benchmark` has the protocol by which papers
on super-resolution report PSNR and SSIM.
"""
